"""What a turn failed with, out of its result: for those who attach to it, whose call ends well."""

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from ._errors import DOMAIN, RunnerError
from .v1 import ErrorReason, TurnResult

_UPSTREAM = "UPSTREAM_"

# The codes of reasons once Claude Code has the prompt, as error.proto lists them. All others are INTERNAL.
_CODES = {
    reason: code
    for code, reasons in {
        grpc.StatusCode.ABORTED: (
            "WORKER_DIED",
            "DRAINED",
            "CLIENT_STALLED",
            "TURN_LOST",
            "TURN_INTERRUPTED",
            "UPSTREAM_CONFLICT",
        ),
        grpc.StatusCode.CANCELLED: ("CANCELLED",),
        grpc.StatusCode.DEADLINE_EXCEEDED: ("DEADLINE_EXCEEDED",),
        grpc.StatusCode.INVALID_ARGUMENT: (
            "UPSTREAM_INVALID_REQUEST",
            "UPSTREAM_CONTEXT_TOO_LONG",
            "UPSTREAM_REQUEST_TOO_LARGE",
        ),
        grpc.StatusCode.FAILED_PRECONDITION: (
            "UPSTREAM_BILLING",
            "UPSTREAM_AUTH",
            "CONTEXT_FULL",
            "SESSION_SUSPENDED",
        ),
        grpc.StatusCode.NOT_FOUND: ("UPSTREAM_MODEL_NOT_FOUND",),
        grpc.StatusCode.RESOURCE_EXHAUSTED: ("UPSTREAM_RATE_LIMITED", "UPSTREAM_USAGE_LIMIT"),
        grpc.StatusCode.UNAVAILABLE: (
            "UPSTREAM_OVERLOADED",
            "UPSTREAM_5XX",
            "UPSTREAM_UNREACHABLE",
            "UPSTREAM_TIMEOUT",
            "STORE_UNAVAILABLE",
        ),
    }.items()
    for reason in reasons
}


def turn_failure(result: TurnResult, *, turn_id: str, last_sequence: int, has_content: bool) -> RunnerError | None:
    """The error that the turn's own call failed with; None: it did not fail.

    `has_content`: whether text or a tool use was streamed, or may be in a gap.
    """
    if not result.HasField("error"):
        return None
    problem = result.error
    reason = ErrorReason.Name(problem.reason).removeprefix("ERROR_REASON_")
    facts = {"turnId": turn_id, "lastSequence": str(last_sequence)}
    if problem.HasField("http_status"):
        facts["httpStatus"] = str(problem.http_status)
    without_texts = TurnResult()
    without_texts.CopyFrom(result)
    for field in ("text", "structured_output", "structured_output_json"):
        without_texts.ClearField(field)
    without_texts.text_truncated = result.text_size_bytes > 0
    code = code_after_prompt(reason, has_content=has_content)
    details = Status(code=code.value[0], message=problem.message)
    details.details.add().Pack(ErrorInfo(reason=reason, domain=DOMAIN, metadata=facts))
    details.details.add().Pack(without_texts)
    return RunnerError(code, problem.message, details=details)


def code_after_prompt(reason: str, *, has_content: bool) -> grpc.StatusCode:
    """The code of a reason once Claude Code has the prompt."""
    if has_content and reason.startswith(_UPSTREAM):
        return grpc.StatusCode.ABORTED
    return _CODES.get(reason, grpc.StatusCode.INTERNAL)
