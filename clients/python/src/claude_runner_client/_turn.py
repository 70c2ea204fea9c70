"""One turn of the blocking client."""

from collections.abc import Generator, Iterator
from contextlib import closing
from types import TracebackType
from typing import final

import grpc

from ._errors import RunnerError
from ._rejoining_call import stop_call
from ._turn_record import TurnRecord, is_text
from ._turn_view import TurnView
from .v1 import StreamChatResponse, TurnResult


@final
class Turn(TurnView):
    """A turn that runs. Iterate over it for its events, or over `text()` for the answer; each event is given once.

    Leaving such a loop before its end cancels the turn; so does the end of a `with` block. Iterating raises what the
    turn failed with, as a RunnerError, after the events that came before.
    """

    def __init__(self, call: Iterator[StreamChatResponse], record: TurnRecord) -> None:
        """Made by `ClaudeRunner.stream`."""
        super().__init__(record)
        self._call = call
        self._ahead: StreamChatResponse | None = None

    def __iter__(self) -> Generator[StreamChatResponse, None, None]:
        """The typed events as they come. Kinds that this client does not know are skipped."""
        try:
            while (event := self._next()) is not None:
                yield event
        finally:
            self.cancel()
        if self._record.failure is not None:
            raise self._record.failure

    def text(self) -> Iterator[str]:
        """The answer piece by piece, as it comes.

        Now and then the server retracts text (event `retracted`) and says it anew. It has been given here by then;
        `full_text`, `text_so_far` and the result leave it out.
        """
        with closing(iter(self)) as events:
            for event in events:
                if is_text(event):
                    yield event.text_delta.text

    def full_text(self) -> str:
        """Reads the turn to its end: all of its text, without what was retracted. Raises what the turn failed with."""
        self.result()
        return self._record.text

    def result(self) -> TurnResult:
        """Reads the turn to its end: how it ended, what it used and cost. Raises what the turn failed with.

        Look at `outcome`: a turn that the model refused or that reached a limit has a result too.
        """
        while self._next() is not None:
            pass
        return self._record.final_result()

    def cancel(self) -> None:
        """Ends the turn, from any thread; its worker is free again. Whoever iterates gets a RunnerError, CANCELLED.

        Does nothing when the turn is over.
        """
        if self._record.is_over or self._record.is_cancelled:
            return
        self._record.is_cancelled = True
        stop_call(self._call)

    def __enter__(self) -> "Turn":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()

    def _next(self) -> StreamChatResponse | None:
        """The next event; None at the end, however that came."""
        event = self._ahead or self._receive()
        # The status comes right behind the result. With it known, who leaves at the result leaves a turn that is over.
        self._ahead = self._receive() if event is not None and event.HasField("result") else None
        return event

    def _receive(self) -> StreamChatResponse | None:
        while not self._record.is_over:
            try:
                event = next(self._call)
            except StopIteration:
                self._record.end()
            except (grpc.RpcError, RunnerError) as error:
                self._record.end(error)
            except BaseException:
                self.cancel()  # Ctrl-C, or an interceptor's own: nobody waits for the turn any more.
                raise
            else:
                if self._record.is_cancelled:
                    stop_call(self._call)  # It was not possible at the time: see `stop_call`.
                elif self._record.take(event):
                    return event
        return None
