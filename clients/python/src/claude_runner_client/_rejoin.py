"""A turn over several calls: what follows from what a call gave and how it ended. Without a connection."""

import random
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple

import grpc

from ._errors import RunnerError
from ._turn_failure import turn_failure
from .v1 import AttachTurnRequest, AttachTurnResponse, StreamChatRequest, StreamChatResponse, TurnResult

FIRST_DELAY = 0.2
MAX_DELAY = 10.0
MAX_SILENCE = 60.0
"""How long a turn may give no sign of itself before its stream is given up, in seconds."""

INTERRUPT_TIMEOUT = 5.0
"""How long the server may take to end a turn that its caller has given up, in seconds."""

# What connections that broke, resets, and proxies that lost the server look like.
_OF_THE_WAY = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.CANCELLED,
)


class Setback(Enum):
    """What a failed attempt means for a turn that may be rejoined."""

    FINAL = auto()
    """What failed is the turn, or there is no use in trying again."""
    BROKEN = auto()
    """The way to the server broke, or the server cannot answer for the moment: the turn goes on."""
    UNKNOWN_TURN = auto()
    """The server has never had the call, or has let go of it before it began."""


def setback_of(failure: RunnerError) -> Setback:
    """Judges a failure of an attempt that its caller has not ended."""
    if failure.reason in ("READER_BEHIND", "POOL_DRAINING", "STORE_UNAVAILABLE"):
        return Setback.BROKEN
    if failure.reason == "TURN_NOT_FOUND":
        return Setback.UNKNOWN_TURN
    return Setback.BROKEN if failure.reason == "" and failure.code in _OF_THE_WAY else Setback.FINAL


class Patience:
    """Counts attempts since something of the turn came, and the time since its last sign."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._attempt_count = 0
        self._last_sign = clock()
        self._has_failed = False
        self._may_run = False

    def heard(self) -> None:
        """A sign of the turn that brings nothing new: it is waited for longer, and not tried faster."""
        self._last_sign = self._clock()

    def sign(self) -> None:
        """Something of the turn has come."""
        self._attempt_count, self._last_sign = 0, self._clock()

    def delay(self) -> float | None:
        """How long to wait before the next attempt, the first of which is made at once. None: it is time to give up."""
        if self._clock() - self._last_sign >= MAX_SILENCE:
            return None
        self._attempt_count += 1
        if self._attempt_count == 1:
            return 0
        longest = min(FIRST_DELAY * 2 ** min(self._attempt_count - 2, 16), MAX_DELAY)
        # Jitter, so that those whom one failure has cut off do not come back as one.
        return random.uniform(longest / 2, longest)

    def after(self, failure: RunnerError) -> float | None:
        """The same for a collected turn, whose call has failed. None: it fails for good."""
        # The time counts from the first break, and from headers, which name the turn once it has begun.
        # They are a sign of the turn, and no reason to try faster.
        if failure.turn_id or not self._has_failed:
            self.heard()
        self._has_failed = True
        self._may_run = self._may_run or bool(failure.turn_id) or not failure.reason
        delay = self.delay() if setback_of(failure) == Setback.BROKEN else None
        if delay is None and self._may_run:
            failure.may_retry = False
        return delay


class Deadline:
    """The caller's deadline, over all calls."""

    def __init__(self, timeout: float | None) -> None:
        self._at = None if timeout is None else time.monotonic() + timeout

    def remaining(self) -> float | None:
        """What is left of it in seconds; None: there is none."""
        return None if self._at is None else max(0.0, self._at - time.monotonic())

    def bound(self, delay: float) -> float:
        """A wait that does not go beyond it."""
        remaining = self.remaining()
        return delay if remaining is None else min(delay, remaining)


class End(NamedTuple):
    """The stream is over: with what the turn failed with, or well."""

    failure: RunnerError | None


class Rejoining:
    """One stream for its reader: every event once and in order, whatever becomes of the calls."""

    def __init__(
        self, begin: StreamChatRequest | None, attach: AttachTurnRequest, patience: Patience | None = None
    ) -> None:
        """`begin`: the call that begins the turn; None for a turn that somebody else has begun."""
        self.turn_id = ""
        self.is_abandoned = False
        """Whether the call's deadline has passed, which leaves the turn going."""
        self._begin = begin
        self._attach = attach
        self._patience = patience or Patience()
        self._is_attached = begin is None
        self._last_sequence = attach.after_sequence
        self._has_event = False
        self._has_content = False
        # Whether a server may have a call that broke.
        self._may_run = False
        self._result: TurnResult | None = None

    @property
    def owned_request_id(self) -> str:
        """The request id of a turn that was begun here; empty for one that somebody else has begun."""
        return "" if self._begin is None else self._begin.request_id

    def request(self) -> StreamChatRequest | AttachTurnRequest:
        """The next call."""
        if self._begin is not None and not self._is_attached:
            return self._begin
        request = AttachTurnRequest()
        request.CopyFrom(self._attach)
        request.after_sequence = self._last_sequence
        return request

    def take(self, message: StreamChatResponse | AttachTurnResponse) -> StreamChatResponse | None:
        """The event in a message, if it is news."""
        event = self._event_of(message) if isinstance(message, AttachTurnResponse) else message
        if event is None:
            self._patience.heard()
            return None
        self._patience.sign()
        self.turn_id = self.turn_id or event.turn_id
        kind = event.WhichOneof("event")
        if kind == "heartbeat":
            # While a turn waits, only those who are attached get any: a stream begins with `started`.
            return event if self._has_event else None
        if event.sequence <= self._last_sequence:
            return None
        self._last_sequence, self._has_event = event.sequence, True
        if kind in ("text_delta", "tool_use", "gap"):
            self._has_content = True
        elif kind == "result":
            self._result = event.result
        return event

    def ended(self, failure: RunnerError | None) -> float | End:
        """A call is over, with status OK or a failure: the end, or how many seconds to wait before the next call."""
        if self._result is not None:
            # The call that began the turn says itself what it failed with, if it gets to it.
            if not self._is_attached and (failure is None or failure.reason):
                return End(failure)
            return End(
                turn_failure(
                    self._result,
                    turn_id=self.turn_id,
                    last_sequence=self._last_sequence,
                    has_content=self._has_content,
                )
            )
        failure = failure or RunnerError(grpc.StatusCode.INTERNAL, "the stream ended without a result")
        failure.turn_id = failure.turn_id or self.turn_id
        # The turn has all its readers: one of them may go.
        is_crowded = self._is_attached and failure.reason == "QUOTA_EXCEEDED"
        setback = Setback.BROKEN if is_crowded else setback_of(failure)
        if setback == Setback.FINAL or (setback == Setback.UNKNOWN_TURN and (self._begin is None or self._has_event)):
            self.is_abandoned = failure.code == grpc.StatusCode.DEADLINE_EXCEEDED
            return End(failure)
        self._is_attached = setback == Setback.BROKEN
        self._may_run = self._may_run or not failure.reason
        delay = self._patience.delay()
        if delay is not None:
            return delay
        if self._may_run or self._has_event:
            failure.may_retry = False
        return End(failure)

    def _event_of(self, message: AttachTurnResponse) -> StreamChatResponse | None:
        kind = message.WhichOneof("message")
        if kind == "state":
            self.turn_id = message.state.id
        elif kind == "event":
            return message.event
        elif kind == "gap":
            # As StreamChat itself would say it.
            return StreamChatResponse(sequence=message.gap.last_sequence, turn_id=self.turn_id, gap=message.gap)
        return None
