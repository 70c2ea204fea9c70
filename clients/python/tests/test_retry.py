"""When a call is made again, with both clients. The policy is gRPC's own; that it is in force shows at the server."""

import grpc
import pytest

from claude_runner_client import ChatResponse, RunnerError

from .either_client import Open
from .scripted_server import Failure, ScriptedServer, answer, info, retry_info

QUEUE_FULL = Failure(
    grpc.StatusCode.UNAVAILABLE, details=[info("QUEUE_FULL"), retry_info(nanos=20_000_000)], pushback="20"
)
NEVER_AGAIN = Failure(grpc.StatusCode.UNAVAILABLE, details=[info("UPSTREAM_OVERLOADED")], pushback="-1")


async def test_a_refused_turn_is_tried_again_when_the_server_says(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.extend([[QUEUE_FULL], [QUEUE_FULL], answer("at last")])
    async with open_runner(server.address) as runner:
        assert await runner.stream("x").full_text() == "at last"
    attempts = [call.metadata.get("grpc-previous-rpc-attempts") for call in server.calls]
    assert attempts == [None, "1", "2"]


async def test_a_refused_call_is_tried_again(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.extend([[QUEUE_FULL], ChatResponse(text="at last")])
    async with open_runner(server.address) as runner:
        assert (await runner.chat("x")).text == "at last"


async def test_there_are_four_attempts(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.extend([[QUEUE_FULL]] * 5)
    async with open_runner(server.address) as runner:
        with pytest.raises(RunnerError) as raised:
            await runner.stream("x").full_text()
    assert len(server.calls) == 4
    assert (raised.value.reason, raised.value.may_retry, raised.value.retry_delay) == ("QUEUE_FULL", True, 0.02)


async def test_a_negative_push_back_means_never(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.append([NEVER_AGAIN])
    async with open_runner(server.address) as runner:
        with pytest.raises(RunnerError) as raised:
            await runner.stream("x").full_text()
    assert len(server.calls) == 1
    assert not raised.value.may_retry


async def test_nothing_is_tried_again_once_an_event_was_seen(server: ScriptedServer, open_runner: Open) -> None:
    # As when the connection is lost in mid-turn: UNAVAILABLE, and no word of the server's.
    server.scripts.append([*answer("a")[:2], Failure(grpc.StatusCode.UNAVAILABLE)])
    async with open_runner(server.address) as runner:
        with pytest.raises(RunnerError) as raised:
            await runner.stream("x").full_text()
    assert len(server.calls) == 1
    assert not raised.value.may_retry


async def test_other_codes_are_not_tried_again(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.append([Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, pushback="20")])
    async with open_runner(server.address) as runner:
        with pytest.raises(RunnerError) as raised:
            await runner.stream("x").full_text()
    assert len(server.calls) == 1
    assert not raised.value.may_retry


async def test_retry_can_be_turned_off(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.append([QUEUE_FULL])
    async with open_runner(server.address, retry=False) as runner:
        with pytest.raises(RunnerError) as raised:
            await runner.stream("x").full_text()
    assert len(server.calls) == 1
    assert raised.value.may_retry
