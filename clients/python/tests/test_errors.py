"""What a failing status becomes."""

import pickle
from collections.abc import Sequence
from typing import Any

import grpc
import pytest
from google.rpc.status_pb2 import Status

from claude_runner_client import ErrorReason, Outcome, RunnerError, Violation

from .either_client import Open
from .scripted_server import Failure, ScriptedServer, bad_request, completed, info, retry_info

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


class FailedCall(grpc.RpcError):
    """What gRPC raises, without a call."""

    def __init__(
        self,
        code: grpc.StatusCode,
        trailers: Sequence[tuple[str, str | bytes]] = (),
        headers: Sequence[tuple[str, str | bytes]] = (),
    ) -> None:
        super().__init__()
        self._code = code
        self._trailers = trailers
        self._headers = headers

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "it failed"

    def initial_metadata(self) -> Any:
        return self._headers

    def trailing_metadata(self) -> Any:
        return self._trailers


def error_of(failure: Failure) -> RunnerError:
    return RunnerError.from_rpc_error(FailedCall(failure.code, failure.trailers()))


async def test_all_that_a_status_says_can_be_asked(server: ScriptedServer, open_runner: Open) -> None:
    details = [
        info("QUOTA_EXCEEDED", limit="64", waitedMs="20"),
        retry_info(seconds=1, nanos=500_000_000),
        bad_request(prompt="must not be empty", profile="there is none"),
        completed("", Outcome.OUTCOME_CANCELLED),
    ]
    failure = Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "64 turns are in flight", details)
    server.scripts.extend([[failure], [failure]])
    async with open_runner(server.address) as runner:
        raised = []
        for call in (runner.stream("x").result(), runner.chat("x")):
            with pytest.raises(RunnerError) as caught:
                await call
            raised.append(caught.value)
    for error in raised:
        assert error.code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert error.reason == "QUOTA_EXCEEDED"
        assert error.reason_enum == ErrorReason.ERROR_REASON_QUOTA_EXCEEDED
        assert error.message == "64 turns are in flight"
        assert error.facts == {"limit": "64", "waitedMs": "20"}
        assert error.retry_delay == 1.5
        assert error.violations == (Violation("prompt", "must not be empty"), Violation("profile", "there is none"))
        assert error.result == completed("", Outcome.OUTCOME_CANCELLED)
        assert str(error) == (
            "RESOURCE_EXHAUSTED QUOTA_EXCEEDED: 64 turns are in flight\n"
            "  prompt: must not be empty\n"
            "  profile: there is none"
        )


def test_a_bare_status_is_an_error_too() -> None:
    error = RunnerError.from_rpc_error(FailedCall(grpc.StatusCode.UNIMPLEMENTED))
    assert (error.reason, error.reason_enum, error.retry_delay, error.result) == ("", 0, None, None)
    assert (dict(error.facts), error.violations) == ({}, ())
    assert str(error) == "UNIMPLEMENTED: it failed"


def test_a_reason_that_is_the_code_is_said_once() -> None:
    error = error_of(Failure(grpc.StatusCode.UNAUTHENTICATED, details=[info("UNAUTHENTICATED")]))
    assert (str(error), error.reason) == ("UNAUTHENTICATED: it failed", "UNAUTHENTICATED")


def test_a_reason_of_a_newer_server_is_there_as_text() -> None:
    error = error_of(Failure(UNAVAILABLE, details=[info("MOON_TOO_FULL")]))
    assert (error.reason, error.reason_enum) == ("MOON_TOO_FULL", ErrorReason.ERROR_REASON_UNSPECIFIED)


def test_somebody_elses_reason_is_none_of_ours() -> None:
    assert error_of(Failure(UNAVAILABLE, details=[info("QUEUE_FULL", domain="proxy.example")])).reason == ""


@pytest.mark.parametrize(
    ("code", "pushback", "may_retry"),
    [
        (UNAVAILABLE, None, True),
        (UNAVAILABLE, "0", True),
        (UNAVAILABLE, "1500", True),
        (UNAVAILABLE, "-1", False),
        (UNAVAILABLE, "soon", False),
        (UNAVAILABLE, "", False),
        (grpc.StatusCode.ABORTED, None, False),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "1500", False),
    ],
)
def test_may_retry_follows_code_and_push_back(code: grpc.StatusCode, pushback: str | None, may_retry: bool) -> None:
    assert error_of(Failure(code, pushback=pushback)).may_retry is may_retry


def test_a_call_that_has_begun_may_not_be_sent_again() -> None:
    # The connection broke, and nothing but headers had come.
    headers = [("date", "Thu, 01 Jan 1970 00:00:00 GMT")]
    assert not RunnerError.from_rpc_error(FailedCall(UNAVAILABLE, headers=headers)).may_retry


def test_broken_details_do_not_hide_the_status() -> None:
    error = RunnerError.from_rpc_error(FailedCall(UNAVAILABLE, [("grpc-status-details-bin", b"\xff\xff")]))
    assert (error.code, error.message) == (UNAVAILABLE, "it failed")


def test_a_broken_detail_does_not_hide_the_others() -> None:
    status = Status()
    status.details.add(type_url="type.googleapis.com/google.rpc.RetryInfo", value=b"\xff")
    status.details.add().Pack(info("QUEUE_FULL"))
    trailers = [("grpc-status-details-bin", status.SerializeToString())]
    error = RunnerError.from_rpc_error(FailedCall(UNAVAILABLE, trailers))
    assert (error.reason, error.retry_delay) == ("QUEUE_FULL", None)


def test_an_error_without_a_call_is_unknown() -> None:
    error = RunnerError.from_rpc_error(grpc.RpcError("made up by an interceptor"))
    assert (error.code, error.message) == (grpc.StatusCode.UNKNOWN, "made up by an interceptor")


def test_an_error_crosses_to_another_process_whole() -> None:
    error = error_of(Failure(UNAVAILABLE, details=[info("QUEUE_FULL", limit="64"), completed()], pushback="10"))
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.code, copy.may_retry) == (str(error), error.code, True)
    assert (copy.facts, copy.result) == (error.facts, error.result)


async def test_details_that_grpc_would_drop_by_chance_arrive(server: ScriptedServer, open_runner: Open) -> None:
    # Beyond 8 KiB of trailers gRPC refuses some calls, unless it is told otherwise.
    rules = {f"field_{number}": "x" * 280 for number in range(30)}
    failure = Failure(grpc.StatusCode.INVALID_ARGUMENT, details=[info("INVALID_REQUEST"), bad_request(**rules)])
    server.scripts.extend([[failure]] * 20)
    async with open_runner(server.address) as runner:
        for _ in range(20):
            with pytest.raises(RunnerError, match="INVALID_ARGUMENT INVALID_REQUEST") as raised:
                await runner.stream("x").result()
            assert len(raised.value.violations) == 30
