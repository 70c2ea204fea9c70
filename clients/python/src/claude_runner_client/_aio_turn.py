"""One turn of the asyncio client."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from types import TracebackType
from typing import final

import grpc

from ._aio_rejoining_call import AsyncRejoiningCall
from ._errors import RunnerError
from ._turn_record import TurnRecord, is_text
from ._turn_view import TurnView
from .v1 import StreamChatRequest, StreamChatResponse, TurnResult


@final
class AsyncTurn(TurnView):
    """A turn that runs. Iterate over it for its events, or over `text()` for the answer; each event is given once.

    Leaving such a loop before its end cancels the turn; so does the end of an `async with` block, and whatever cancels
    the task that reads. Iterating raises what the turn failed with, as a RunnerError, after the events before it.
    """

    def __init__(
        self,
        call: grpc.aio.UnaryStreamCall[StreamChatRequest, StreamChatResponse] | AsyncRejoiningCall,
        record: TurnRecord,
    ) -> None:
        """Made by `AsyncClaudeRunner.stream`."""
        super().__init__(record)
        self._call = call
        self._events = aiter(call)
        self._ahead: StreamChatResponse | None = None

    async def __aiter__(self) -> AsyncGenerator[StreamChatResponse, None]:
        """The typed events as they come. Kinds that this client does not know are skipped."""
        try:
            while (event := await self._next()) is not None:
                yield event
        finally:
            self.cancel()
            await self._settled()
        if self._record.failure is not None:
            raise self._record.failure

    async def text(self) -> AsyncGenerator[str, None]:
        """The answer piece by piece, as it comes.

        Now and then the server retracts text (event `retracted`) and says it anew. It has been given here by then;
        `full_text`, `text_so_far` and the result leave it out.
        """
        async with aclosing(aiter(self)) as events:
            async for event in events:
                if is_text(event):
                    yield event.text_delta.text

    async def full_text(self) -> str:
        """Reads the turn to its end: all of its text, without what was retracted. Raises what the turn failed with."""
        await self.result()
        return self._record.text

    async def result(self) -> TurnResult:
        """Reads the turn to its end: how it ended, what it used and cost. Raises what the turn failed with.

        Look at `outcome`: a turn that the model refused or that reached a limit has a result too.
        """
        while await self._next() is not None:
            pass
        return self._record.final_result()

    def cancel(self) -> None:
        """Ends the turn; its worker is free again. Whoever iterates gets a RunnerError, CANCELLED.

        Does nothing when the turn is over.
        """
        if self._record.is_over or self._record.is_cancelled:
            return
        self._record.is_cancelled = True
        self._call.cancel()

    async def __aenter__(self) -> "AsyncTurn":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()
        await self._settled()

    def __del__(self) -> None:
        # A turn that was dropped unread: gRPC itself would let the call go on. RuntimeError: its event loop is closed.
        with suppress(RuntimeError):
            self.cancel()

    async def _next(self) -> StreamChatResponse | None:
        """The next event; None at the end, however that came."""
        event = self._ahead or await self._receive()
        # The status comes right behind the result. With it known, who leaves at the result leaves a turn that is over.
        self._ahead = await self._receive() if event is not None and event.HasField("result") else None
        return event

    async def _receive(self) -> StreamChatResponse | None:
        while not self._record.is_over:
            try:
                event = await anext(self._events)
            except StopAsyncIteration:
                self._record.end()
            except (grpc.RpcError, RunnerError) as error:
                self._record.end(error)
            except asyncio.CancelledError:
                # gRPC raises it for a task that was cancelled and for a call that was, if only by closing the client.
                if _is_task_cancelled(unless=self._record.is_cancelled):
                    self.cancel()
                    await self._settled()
                    raise
                self._record.is_cancelled = True
                self._record.end()
            except BaseException:
                self.cancel()  # An interceptor's own: nobody waits for the turn any more.
                raise
            else:
                if self._record.take(event):
                    return event
        return None

    async def _settled(self) -> None:
        """Waits until a turn that would have gone on is stopped."""
        if isinstance(self._call, AsyncRejoiningCall):
            await self._call.settled()


def _is_task_cancelled(*, unless: bool) -> bool:
    """Whether somebody cancels the task that runs this. Python 3.10 cannot tell: there it is so `unless` told."""
    cancelling = getattr(asyncio.current_task(), "cancelling", None)
    return not unless if cancelling is None else cancelling() > 0
