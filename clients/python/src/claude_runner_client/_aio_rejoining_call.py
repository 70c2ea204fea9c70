"""The calls of a turn that rejoins, one after another, as one iterator: of the asyncio client."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import grpc
import grpc.aio

from ._errors import RunnerError
from ._rejoin import INTERRUPT_TIMEOUT, Deadline, End, Patience, Rejoining
from ._target import Metadata
from .v1 import (
    AttachTurnRequest,
    ChatResponse,
    GetTurnRequest,
    InterruptTurnRequest,
    StreamChatRequest,
    StreamChatResponse,
)

if TYPE_CHECKING:
    from .v1.runner_pb2_grpc import ClaudeRunnerAsyncStub
    from .v1.turn_pb2_grpc import TurnServiceAsyncStub


class AsyncTurnCalls:
    """The calls of one turn, with what goes along with each of them."""

    def __init__(self, runner: "ClaudeRunnerAsyncStub", turns: "TurnServiceAsyncStub", metadata: Metadata) -> None:
        self._runner = runner
        self._turns = turns
        self._metadata = metadata

    def open(
        self, request: StreamChatRequest | AttachTurnRequest, timeout: float | None
    ) -> grpc.aio.UnaryStreamCall[Any, Any]:
        """Begins a turn, or attaches to one."""
        if isinstance(request, StreamChatRequest):
            return self._runner.StreamChat(request, timeout=timeout, metadata=self._metadata)
        return self._turns.AttachTurn(request, timeout=timeout, metadata=self._metadata)

    async def give_up(self, turn_id: str, request_id: str) -> None:
        """Interrupts a turn that nobody waits for any more. What goes wrong is of no use to anybody."""
        deadline = Deadline(INTERRUPT_TIMEOUT)
        # UsageError: the channel is closed.
        with suppress(grpc.RpcError, grpc.aio.UsageError):
            if not turn_id:
                asked = GetTurnRequest(request_id=request_id)
                found = await self._turns.GetTurn(asked, timeout=deadline.remaining(), metadata=self._metadata)
                turn_id = found.turn.id
            request = InterruptTurnRequest(turn_id=turn_id)
            await self._turns.InterruptTurn(request, timeout=deadline.remaining(), metadata=self._metadata)


class GoingTurns:
    """The turns of a client that would go on without it."""

    def __init__(self) -> None:
        self.calls: WeakSet[AsyncRejoiningCall | AsyncCollectedCall] = WeakSet()
        # asyncio itself keeps no task alive.
        self._leaving: set[asyncio.Task[None]] = set()

    def leave(self, calls: AsyncTurnCalls, turn_id: str, request_id: str) -> "asyncio.Task[None]":
        """Begins to interrupt a turn."""
        asyncio.get_running_loop()  # Raises when there is none, ahead of a coroutine that nobody would await.
        task = asyncio.ensure_future(calls.give_up(turn_id, request_id))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
        return task

    async def close(self) -> None:
        """Interrupts all of them."""
        for call in list(self.calls):
            call.cancel()
        if self._leaving:
            await asyncio.wait(set(self._leaving))


class AsyncRejoiningCall:
    """Iterated once. Raises a RunnerError at the end of a turn that failed, and CancelledError once it is cancelled."""

    def __init__(self, calls: AsyncTurnCalls, rules: Rejoining, timeout: float | None, going: GoingTurns) -> None:
        self._calls = calls
        self._rules = rules
        self._deadline = Deadline(timeout)
        self._going = going
        self._cancelled = asyncio.Event()
        self._leaving: asyncio.Task[None] | None = None
        self._is_over = False
        self._call: grpc.aio.UnaryStreamCall[Any, Any] | None = None
        self._messages: AsyncIterator[Any] | None = None
        self._open()
        going.calls.add(self)

    def __aiter__(self) -> AsyncIterator[StreamChatResponse]:
        return self

    async def __anext__(self) -> StreamChatResponse:
        while not self._is_over:
            failure: RunnerError | None = None
            try:
                if self._cancelled.is_set():
                    raise asyncio.CancelledError
                event = self._rules.take(await anext(self._messages or self._open()))
            except StopAsyncIteration:
                pass
            except RunnerError as error:
                failure = error
            except grpc.RpcError as error:
                failure = RunnerError.from_rpc_error(error, anything_came=bool(self._rules.turn_id))
                failure.__cause__ = error
            else:
                if event is not None:
                    return event
                continue
            self._call = self._messages = None
            next_step = self._rules.ended(failure)
            if isinstance(next_step, End):
                await self._end(next_step)
            else:
                await self._pause(self._deadline.bound(next_step))
        raise StopAsyncIteration

    def cancel(self) -> None:
        """Ends the call, and the turn if it was begun here: see `settled`."""
        if self._is_over or self._cancelled.is_set():
            return
        self._cancelled.set()
        if self._call is not None:
            self._call.cancel()
        self._give_up()

    async def settled(self) -> None:
        """Waits until a turn that was given up has ended, if that can be known: a program may end right behind it."""
        if self._leaving is not None:
            # Whoever waits may be cancelled; the interrupt goes on.
            await asyncio.wait({self._leaving})

    def _open(self) -> AsyncIterator[Any]:
        try:
            self._call = self._calls.open(self._rules.request(), self._deadline.remaining())
        except grpc.aio.UsageError:  # The channel is closed.
            self._cancelled.set()
            raise asyncio.CancelledError from None
        self._messages = aiter(self._call)
        return self._messages

    async def _pause(self, delay: float) -> None:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._cancelled.wait(), delay)

    async def _end(self, end: End) -> None:
        self._is_over = True
        if self._rules.is_abandoned:
            self._give_up()
            await self.settled()
        if end.failure is not None:
            raise end.failure

    def _give_up(self) -> None:
        if self._rules.owned_request_id:
            self._leaving = self._going.leave(self._calls, self._rules.turn_id, self._rules.owned_request_id)


class AsyncCollectedCall:
    """A collected turn whose call is sent again until the server has answered it."""

    def __init__(
        self,
        chat: Callable[[float | None], Awaitable[ChatResponse]],
        calls: AsyncTurnCalls,
        request_id: str,
        timeout: float | None,
        going: GoingTurns,
    ) -> None:
        """`chat` makes the call with what is left of the timeout."""
        self._chat = chat
        self._calls = calls
        self._request_id = request_id
        self._deadline = Deadline(timeout)
        self._going = going
        self._cancelled = asyncio.Event()
        self._is_over = False
        going.calls.add(self)

    async def result(self) -> ChatResponse:
        """Makes the call. Once only."""
        patience = Patience()
        try:
            while True:
                try:
                    return await self._chat(self._deadline.remaining())
                except RunnerError as error:
                    delay = await self._delay(patience, error)
                except grpc.aio.UsageError as error:  # The channel is closed.
                    raise _closed() from error
                await self._pause(delay)
        except RunnerError:
            raise
        except BaseException as error:  # The task is cancelled, in a pause as well: nobody waits for the turn any more.
            if self._cancelled.is_set() and isinstance(error, asyncio.CancelledError):
                raise _closed() from error  # By gRPC, for a channel that is closed.
            await self._calls.give_up("", self._request_id)
            raise
        finally:
            self._is_over = True

    def cancel(self) -> None:
        """Ends the call, and the turn: the client is closed."""
        if not self._is_over and not self._cancelled.is_set():
            self._cancelled.set()
            self._going.leave(self._calls, "", self._request_id)

    async def _pause(self, delay: float) -> None:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._cancelled.wait(), self._deadline.bound(delay))
        if self._cancelled.is_set():
            raise _closed()

    async def _delay(self, patience: Patience, error: RunnerError) -> float:
        if self._cancelled.is_set():
            raise _closed() from error
        if error.code == grpc.StatusCode.DEADLINE_EXCEEDED:
            await self._calls.give_up(error.turn_id, self._request_id)
        delay = patience.after(error)
        if delay is None:
            raise error
        return delay


def _closed() -> RunnerError:
    return RunnerError(grpc.StatusCode.CANCELLED, "the client is closed")
