"""When a broken stream is tried again, when it is over, and what it fails with then."""

import re
import time
from uuid import UUID

import grpc
import pytest
from google.rpc.status_pb2 import Status

from claude_runner_client import ErrorReason, RunnerError, TurnResult, v1
from claude_runner_client._rejoin import MAX_SILENCE, End, Patience, Rejoining, Setback, setback_of
from claude_runner_client._request_id import new_request_id
from claude_runner_client._turn_failure import code_after_prompt, turn_failure

from .scripted_server import info

Code = grpc.StatusCode


def failed(code: Code, reason: str = "") -> RunnerError:
    status = Status(code=code.value[0])
    if reason:
        status.details.add().Pack(info(reason))
    return RunnerError(code, "scripted", details=status)


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (Code.UNAVAILABLE, "", Setback.BROKEN),
        (Code.INTERNAL, "", Setback.BROKEN),
        (Code.UNKNOWN, "", Setback.BROKEN),
        (Code.CANCELLED, "", Setback.BROKEN),
        (Code.UNAUTHENTICATED, "", Setback.FINAL),
        (Code.RESOURCE_EXHAUSTED, "", Setback.FINAL),
        (Code.DEADLINE_EXCEEDED, "", Setback.FINAL),
        (Code.UNAVAILABLE, "POOL_DRAINING", Setback.BROKEN),
        (Code.UNAVAILABLE, "STORE_UNAVAILABLE", Setback.BROKEN),
        (Code.ABORTED, "READER_BEHIND", Setback.BROKEN),
        (Code.NOT_FOUND, "TURN_NOT_FOUND", Setback.UNKNOWN_TURN),
        (Code.UNAVAILABLE, "QUEUE_FULL", Setback.FINAL),
        (Code.UNAVAILABLE, "UPSTREAM_5XX", Setback.FINAL),
        (Code.INTERNAL, "INTERNAL", Setback.FINAL),
        (Code.UNAVAILABLE, "A_REASON_OF_TOMORROW", Setback.FINAL),
    ],
)
def test_only_a_broken_way_and_a_busy_server_are_worth_another_attempt(
    code: Code, reason: str, expected: Setback
) -> None:
    assert setback_of(failed(code, reason)) == expected


def test_the_first_attempt_is_made_at_once_and_the_others_further_and_further_apart() -> None:
    patience = Patience(lambda: 1_000.0)
    for longest in (0, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10):
        delay = patience.delay()
        assert delay is not None
        assert longest / 2 <= delay <= longest


def test_a_stream_is_given_up_after_a_minute_without_a_sign_of_the_turn() -> None:
    now = 1_000.0
    patience = Patience(lambda: now)
    now += 30
    patience.sign()
    now += MAX_SILENCE - 1
    assert patience.delay() == 0
    now += 1
    assert patience.delay() is None


def test_a_result_without_an_error_is_no_failure() -> None:
    assert turn_failure(TurnResult(text="Hello"), turn_id="turn-1", last_sequence=7, has_content=True) is None


def test_a_failure_has_what_the_status_would_have() -> None:
    error = v1.TurnError(reason=ErrorReason.ERROR_REASON_UPSTREAM_5XX, message="the model API failed", http_status=503)
    result = TurnResult(text="Half an an", text_size_bytes=10, cost_usd_micros=42, error=error)
    failure = turn_failure(result, turn_id="turn-1", last_sequence=7, has_content=False)
    assert failure is not None
    assert (failure.code, failure.reason, failure.message) == (Code.UNAVAILABLE, "UPSTREAM_5XX", "the model API failed")
    assert (failure.may_retry, failure.turn_id) == (False, "turn-1")
    assert failure.facts == {"turnId": "turn-1", "lastSequence": "7", "httpStatus": "503"}
    assert failure.result == TurnResult(text_truncated=True, text_size_bytes=10, cost_usd_micros=42, error=error)


@pytest.mark.parametrize(
    ("reason", "has_content", "expected"),
    [
        ("UPSTREAM_RATE_LIMITED", False, Code.RESOURCE_EXHAUSTED),
        ("UPSTREAM_RATE_LIMITED", True, Code.ABORTED),
        ("UPSTREAM_MODEL_NOT_FOUND", False, Code.NOT_FOUND),
        ("UPSTREAM_AUTH", False, Code.FAILED_PRECONDITION),
        ("UPSTREAM_INVALID_REQUEST", False, Code.INVALID_ARGUMENT),
        ("UPSTREAM_CONFLICT", False, Code.ABORTED),
        ("UPSTREAM_UNKNOWN", False, Code.INTERNAL),
        ("TURN_INTERRUPTED", False, Code.ABORTED),
        ("TURN_LOST", True, Code.ABORTED),
        ("CANCELLED", True, Code.CANCELLED),
        ("DEADLINE_EXCEEDED", True, Code.DEADLINE_EXCEEDED),
        ("INTERNAL", True, Code.INTERNAL),
        ("A_REASON_OF_TOMORROW", False, Code.INTERNAL),
    ],
)
def test_codes_follow_from_the_reason_and_from_what_was_streamed(
    reason: str, has_content: bool, expected: Code
) -> None:
    assert code_after_prompt(reason, has_content=has_content) == expected


def test_a_request_id_is_a_uuid_that_begins_with_the_time() -> None:
    before = time.time_ns() // 1_000_000
    one, two = new_request_id(), new_request_id()
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", one)
    assert one != two
    assert before <= UUID(one).int >> 80 <= time.time_ns() // 1_000_000


def test_headers_of_a_call_are_a_sign_of_its_turn_and_no_reason_to_try_faster() -> None:
    now = 1_000.0
    patience = Patience(lambda: now)
    now += 100  # It waited in the queue for long before its connection broke.
    broken = RunnerError(grpc.StatusCode.UNAVAILABLE, "the connection broke", may_retry=True)
    broken.turn_id = "turn-1"
    delays = [patience.after(broken) for _ in range(4)]
    assert delays[0] == 0
    assert delays[3] is not None
    assert delays[3] >= 0.2
    refused = RunnerError(grpc.StatusCode.FAILED_PRECONDITION, "no", may_retry=True)
    assert patience.after(refused) is None
    assert not refused.may_retry  # The turn may have run.


def test_an_attach_that_is_cut_behind_its_state_is_tried_further_and_further_apart() -> None:
    now = 1_000.0
    rules = Rejoining(None, v1.AttachTurnRequest(turn_id="turn-1"), Patience(lambda: now))
    state = v1.AttachTurnResponse(state=v1.Turn(id="turn-1"))
    delays = []
    for _ in range(6):
        now += 30  # The turn is quiet, and known to be there.
        assert rules.take(state) is None
        delays.append(rules.ended(failed(Code.UNAVAILABLE)))
    assert delays[0] == 0
    assert isinstance(delays[5], float)
    assert delays[5] >= 1.6


def test_a_turn_that_failed_behind_a_gap_had_content() -> None:
    rules = Rejoining(None, v1.AttachTurnRequest(turn_id="turn-1"))
    rules.take(v1.AttachTurnResponse(gap=v1.Gap(first_sequence=1, last_sequence=5)))
    error = v1.TurnError(reason=ErrorReason.ERROR_REASON_UPSTREAM_OVERLOADED, message="scripted")
    result = v1.TurnResult(outcome=v1.Outcome.OUTCOME_UPSTREAM_ERROR, error=error)
    rules.take(v1.AttachTurnResponse(event=v1.StreamChatResponse(sequence=6, turn_id="turn-1", result=result)))
    end = rules.ended(None)
    assert isinstance(end, End)
    assert end.failure is not None
    assert end.failure.code == Code.ABORTED


def test_a_stream_that_is_given_up_may_not_be_retried_where_its_turn_may_run() -> None:
    now = 1_000.0
    begin = v1.StreamChatRequest(prompt="x", request_id="r")
    rules = Rejoining(begin, v1.AttachTurnRequest(request_id="r"), Patience(lambda: now))
    assert rules.ended(RunnerError(Code.UNAVAILABLE, "the connection broke", may_retry=True)) == 0
    now += MAX_SILENCE
    end = rules.ended(RunnerError(Code.UNAVAILABLE, "nobody listens", may_retry=True))
    assert isinstance(end, End)
    assert end.failure is not None
    assert not end.failure.may_retry
