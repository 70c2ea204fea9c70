"""The calls of a turn that rejoins, one after another, as one iterator: of the blocking client."""

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from typing import Any, cast

import grpc

from ._errors import RunnerError
from ._rejoin import INTERRUPT_TIMEOUT, Deadline, End, Patience, Rejoining
from ._target import Metadata
from .v1 import (
    AttachTurnRequest,
    AttachTurnResponse,
    ChatResponse,
    ClaudeRunnerStub,
    GetTurnRequest,
    InterruptTurnRequest,
    StreamChatRequest,
    StreamChatResponse,
    TurnServiceStub,
)

Messages = Iterator[StreamChatResponse] | Iterator[AttachTurnResponse]


class TurnCalls:
    """The calls of one turn, with what goes along with each of them."""

    def __init__(self, runner: ClaudeRunnerStub, turns: TurnServiceStub, metadata: Metadata) -> None:
        self._runner = runner
        self._turns = turns
        self._metadata = metadata

    def open(self, request: StreamChatRequest | AttachTurnRequest, timeout: float | None) -> Messages:
        """Begins a turn, or attaches to one."""
        if isinstance(request, StreamChatRequest):
            return self._runner.StreamChat(request, timeout=timeout, metadata=self._metadata)
        return self._turns.AttachTurn(request, timeout=timeout, metadata=self._metadata)

    def give_up(self, turn_id: str, request_id: str) -> None:
        """Interrupts a turn that nobody waits for any more. What goes wrong is of no use to anybody."""
        deadline = Deadline(INTERRUPT_TIMEOUT)
        # ValueError: the channel is closed.
        with suppress(grpc.RpcError, ValueError):
            if not turn_id:
                asked = GetTurnRequest(request_id=request_id)
                turn_id = self._turns.GetTurn(asked, timeout=deadline.remaining(), metadata=self._metadata).turn.id
            request = InterruptTurnRequest(turn_id=turn_id)
            self._turns.InterruptTurn(request, timeout=deadline.remaining(), metadata=self._metadata)


class RejoiningCall:
    """Iterated once. Raises a RunnerError at the end of a turn that failed."""

    def __init__(self, calls: TurnCalls, rules: Rejoining, timeout: float | None) -> None:
        self._calls = calls
        self._rules = rules
        self._deadline = Deadline(timeout)
        self._cancelled = threading.Event()
        self._is_over = False
        self._call: Messages | None = self._open()

    def __iter__(self) -> Iterator[StreamChatResponse]:
        return self

    def __next__(self) -> StreamChatResponse:
        while not self._is_over:
            failure: RunnerError | None = None
            try:
                messages: Iterator[Any] = self._call or self._open()
                self._call = messages
                if self._cancelled.is_set():
                    stop_call(messages)  # It may be newer than the cancel.
                    raise _cancelled()
                event = self._rules.take(next(messages))
            except StopIteration:
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
            self._call = None
            next_step = End(failure) if self._cancelled.is_set() else self._rules.ended(failure)
            if isinstance(next_step, End):
                self._end(next_step)
            else:
                self._cancelled.wait(self._deadline.bound(next_step))
        raise StopIteration

    def cancel(self) -> None:
        """Ends the call, and the turn if it was begun here. Returns when the turn has ended, if that can be known."""
        if self._is_over or self._cancelled.is_set():
            return
        self._cancelled.set()
        if self._call is not None:
            stop_call(self._call)
        self._give_up()

    def _open(self) -> Messages:
        try:
            return self._calls.open(self._rules.request(), self._deadline.remaining())
        except ValueError as error:  # gRPC's word for a channel that is closed.
            self._cancelled.set()
            raise _cancelled() from error

    def _end(self, end: End) -> None:
        self._is_over = True
        if self._rules.is_abandoned:
            self._give_up()
        if end.failure is not None:
            raise end.failure

    def _give_up(self) -> None:
        if self._rules.owned_request_id:
            self._calls.give_up(self._rules.turn_id, self._rules.owned_request_id)


class CollectedCall:
    """A collected turn whose call is sent again until the server has answered it."""

    def __init__(
        self, chat: Callable[[float | None], ChatResponse], calls: TurnCalls, request_id: str, timeout: float | None
    ) -> None:
        """`chat` makes the call with what is left of the timeout."""
        self._chat = chat
        self._calls = calls
        self._request_id = request_id
        self._deadline = Deadline(timeout)
        self._cancelled = threading.Event()
        self._is_over = False

    def result(self) -> ChatResponse:
        """Makes the call. Once only."""
        patience = Patience()
        try:
            while True:
                try:
                    return self._chat(self._deadline.remaining())
                except RunnerError as error:
                    delay = self._delay(patience, error)
                self._pause(delay)
        except RunnerError:
            raise
        except BaseException as error:
            # ValueError: gRPC's word for a channel that is closed.
            if self._cancelled.is_set() and isinstance(error, ValueError):
                raise _closed() from error
            # Ctrl-C, in a pause as well: nobody waits for the turn any more.
            self._calls.give_up("", self._request_id)
            raise
        finally:
            self._is_over = True

    def cancel(self) -> None:
        """Ends the call, and the turn: the client is closed."""
        if not self._is_over and not self._cancelled.is_set():
            self._cancelled.set()
            self._calls.give_up("", self._request_id)

    def _pause(self, delay: float) -> None:
        if self._cancelled.wait(self._deadline.bound(delay)):
            raise _closed()

    def _delay(self, patience: Patience, error: RunnerError) -> float:
        if self._cancelled.is_set():
            raise _closed() from error
        if error.code == grpc.StatusCode.DEADLINE_EXCEEDED:
            self._calls.give_up(error.turn_id, self._request_id)
        delay = patience.after(error)
        if delay is None:
            raise error
        return delay


def stop_call(call: object) -> None:
    """Ends a call, also one that an interceptor has wrapped."""
    if isinstance(call, grpc.RpcContext | RejoiningCall):
        cast("Callable[[], object]", call.cancel)()
    elif isinstance(call, Generator):
        # An interceptor that wraps the stream, such as OpenTelemetry's, leaves no call to cancel.
        # ValueError: another thread waits in it, and looks at the record when it has the next event.
        with suppress(ValueError):
            call.close()


def _closed() -> RunnerError:
    return RunnerError(grpc.StatusCode.CANCELLED, "the client is closed")


def _cancelled() -> RunnerError:
    return RunnerError(grpc.StatusCode.CANCELLED, "the turn was cancelled")
