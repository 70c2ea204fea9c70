"""What a call failed with: the gRPC status and its details as one exception."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol, cast, runtime_checkable

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from .v1 import ErrorReason, TurnResult

DOMAIN = "claude-runner"
_DETAILS_KEY = "grpc-status-details-bin"
_PUSHBACK_KEY = "grpc-retry-pushback-ms"
_TURN_ID_KEY = "claude-runner-turn-id"


@dataclass(frozen=True)
class Violation:
    """A rule that the request broke."""

    field: str
    """The field as the contract names it, such as `history[1].role`. Empty: the request as a whole."""
    description: str
    """What is wrong with it, in words."""


class RunnerError(Exception):
    """A call or a turn that failed. Its cause (`__cause__`) is the exception of gRPC.

    A turn that Claude or one of the caller's own limits ended is no error: its `result` has an outcome that says so.
    """

    def __init__(
        self, code: grpc.StatusCode, message: str, *, may_retry: bool = False, details: Status | None = None
    ) -> None:
        """Made by the client; `details` are what the status carries."""
        self.code: grpc.StatusCode = code
        """The status code, such as `grpc.StatusCode.UNAVAILABLE`."""
        self.message: str = message
        """What happened, in words for a person. May change from version to version: judge by `reason`."""
        self.may_retry: bool = may_retry
        """Whether the same request may be sent again: the server could not take it, and no part of an answer came."""
        self.reason: str = ""
        """Why, out of the contract's closed list, as text: `QUEUE_FULL`. Empty: the status is not the server's own."""
        self.facts: Mapping[str, str] = MappingProxyType({})
        """Every number of the message, the unit in the key: `{"limit": "64"}`."""
        self.retry_delay: float | None = None
        """After how many seconds a retry makes sense. None: nobody said."""
        self.violations: tuple[Violation, ...] = ()
        """Every rule that the request broke."""
        self.result: TurnResult | None = None
        """How the turn ended and what it cost until then, without its texts. None: it had not begun."""
        self.turn_id: str = ""
        """The turn, for `get_turn` and `attach`. Empty: the server has not said it."""
        self._details = details
        super().__init__(message)
        for detail in details.details if details is not None else ():
            # A detail that somebody broke hides neither the status nor the others.
            with suppress(DecodeError):
                self._read(detail)

    @property
    def reason_enum(self) -> ErrorReason:
        """`reason` as the generated enum; ERROR_REASON_UNSPECIFIED for one that this client does not know."""
        name = f"ERROR_REASON_{self.reason}"
        known = name in ErrorReason.keys()  # noqa: SIM118 (an enum wrapper is no mapping)
        return cast("ErrorReason", ErrorReason.Value(name if known else "ERROR_REASON_UNSPECIFIED"))

    @classmethod
    def from_rpc_error(cls, error: grpc.RpcError, *, anything_came: bool = False) -> "RunnerError":
        """The exception of a gRPC call as a RunnerError, for calls that you make with stubs of your own.

        `anything_came`: whether a part of the answer was seen, so that the call must not be made again. Headers that
        came are known from the call.
        """
        if not isinstance(error, _FailedCall):
            return cls(grpc.StatusCode.UNKNOWN, str(error))  # Made up by an interceptor: gRPC's own have it all.
        call: _FailedCall = error
        trailers = dict(call.trailing_metadata() or ())
        code = call.code()
        # A refusal is trailers alone, while a turn that begins sends headers, with a date at least.
        headers = dict(call.initial_metadata() or ())
        has_begun = anything_came or bool(headers)
        may_retry = code == grpc.StatusCode.UNAVAILABLE and not has_begun and _permits(trailers.get(_PUSHBACK_KEY))
        failure = cls(code, call.details() or "", may_retry=may_retry, details=_decode(trailers.get(_DETAILS_KEY)))
        failure.turn_id = failure.turn_id or str(headers.get(_TURN_ID_KEY, ""))
        return failure

    def __str__(self) -> str:
        why = self.code.name if self.reason in ("", self.code.name) else f"{self.code.name} {self.reason}"
        broken = "".join(f"\n  {each.field}: {each.description}" for each in self.violations)
        return f"{why}: {self.message}{broken}"

    def __reduce__(self) -> tuple[object, ...]:
        # Crosses to another process whole, as from a pool of workers.
        return _restore, (self.code, self.message, self.may_retry, self._details, self.turn_id)

    def _read(self, detail: Any) -> None:
        info, retry, request, result = ErrorInfo(), RetryInfo(), BadRequest(), TurnResult()
        if detail.Unpack(info):
            if info.domain == DOMAIN:
                self.reason = info.reason
                self.facts = MappingProxyType(dict(info.metadata))
                self.turn_id = self.facts.get("turnId", "")
        elif detail.Unpack(retry):
            self.retry_delay = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
        elif detail.Unpack(request):
            self.violations = tuple(Violation(each.field, each.description) for each in request.field_violations)
        elif detail.Unpack(result):
            self.result = result


@runtime_checkable
class _FailedCall(Protocol):
    """What both of gRPC's exceptions can be asked, that of asyncio included."""

    def code(self) -> grpc.StatusCode: ...
    def details(self) -> str | None: ...
    def initial_metadata(self) -> Iterable[tuple[str, str | bytes]] | None: ...
    def trailing_metadata(self) -> Iterable[tuple[str, str | bytes]] | None: ...


def _restore(code: grpc.StatusCode, message: str, may_retry: bool, details: Status | None, turn_id: str) -> RunnerError:
    failure = RunnerError(code, message, may_retry=may_retry, details=details)
    failure.turn_id = turn_id
    return failure


def _permits(pushback: str | bytes | None) -> bool:
    """Whether the server lets a client send the request again. Negative or unreadable: it does not."""
    return pushback is None or (isinstance(pushback, str) and pushback.isascii() and pushback.isdigit())


def _decode(value: str | bytes | None) -> Status | None:
    if not isinstance(value, bytes):
        return None
    with suppress(DecodeError):
        return Status.FromString(value)
    return None
