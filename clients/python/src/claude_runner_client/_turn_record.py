"""What a turn has told so far, and how it ended: the rules of a stream, for both clients, without a connection."""

from collections.abc import Callable
from typing import NamedTuple

import grpc

from ._errors import RunnerError
from .v1 import Started, StreamChatResponse, TurnResult


class _Piece(NamedTuple):
    """A text delta. Without its message, which would keep the whole event alive."""

    message_index: int
    block_index: int
    text: str


class TurnRecord:
    """Takes the events of one turn, then its end. The first end counts."""

    def __init__(
        self, on_answer: Callable[[str], object] | None = None, on_start: Callable[[], object] | None = None
    ) -> None:
        """`on_start` is called when the turn begins; `on_answer` gets its answer when it is over and did not fail."""
        self.turn_id = ""
        self.started: Started | None = None
        self.result: TurnResult | None = None
        self.failure: RunnerError | None = None
        self.event_count = 0
        self.unknown_event_count = 0
        self.has_gap = False
        self.is_cancelled = False
        self.is_over = False
        self._pieces: list[_Piece] = []
        self._on_answer = on_answer
        self._on_start = on_start

    @property
    def text(self) -> str:
        """The text so far, without what was retracted."""
        return "".join(piece.text for piece in self._pieces)

    def take(self, event: StreamChatResponse) -> bool:
        """Whether the event is of a kind that this client knows; others are counted and skipped."""
        self.event_count += 1
        self.turn_id = event.turn_id
        kind = event.WhichOneof("event")
        if kind is None:
            self.unknown_event_count += 1
            return False
        if kind == "started":
            self.started = event.started
            if self._on_start is not None:
                self._on_start()
        elif kind == "result":
            self.result = event.result
        elif kind == "gap":
            self.has_gap = True
        elif is_text(event):
            delta = event.text_delta
            self._pieces.append(_Piece(delta.message_index, delta.block_index, delta.text))
        elif kind == "retracted" and not event.parent_tool_use_id:
            void = event.retracted
            self._pieces = [
                piece
                for piece in self._pieces
                if piece.message_index != void.message_index or piece.block_index < void.from_block_index
            ]
        return True

    def end(self, cause: grpc.RpcError | RunnerError | None = None) -> None:
        """The stream is over: with a status that is OK, or with what it raised."""
        if self.is_over:
            return
        self.is_over = True
        self.failure = self._failure_of(cause)
        if self.failure is None and self._on_answer is not None:
            self._on_answer(self._answer)

    def final_result(self) -> TurnResult:
        """The result of a turn that is over. Raises what it failed with."""
        if self.failure is not None:
            raise self.failure
        if self.result is None:
            raise RuntimeError("bug: the turn is not over")
        return self.result

    @property
    def _answer(self) -> str:
        # With an output schema there may be no text at all; what a gap has swallowed is in the result.
        text = "" if self.has_gap else self.text
        return text or (self.result and (self.result.text or self.result.structured_output_json)) or ""

    def _failure_of(self, cause: grpc.RpcError | RunnerError | None) -> RunnerError | None:
        failure = None
        if isinstance(cause, RunnerError):
            failure = cause
        elif cause is not None:
            failure = RunnerError.from_rpc_error(cause, anything_came=self.event_count > 0)
            failure.__cause__ = cause
        elif self.result is None:
            failure = RunnerError(grpc.StatusCode.INTERNAL, "the stream ended without a result")
        # A turn that was over, or had failed by itself, before it was cancelled stays so.
        if self.is_cancelled and failure is not None and (cause is None or failure.code == grpc.StatusCode.CANCELLED):
            return RunnerError(grpc.StatusCode.CANCELLED, "the turn was cancelled")
        return failure


def is_text(event: StreamChatResponse) -> bool:
    """Whether the event adds to the answer. What a sub-agent says is no part of it."""
    return event.HasField("text_delta") and not event.parent_tool_use_id
