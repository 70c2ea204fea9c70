"""A turn as its caller sees it, with both clients."""

import asyncio
import gc

import grpc
import pytest

from claude_runner_client import AsyncClaudeRunner, ClaudeRunner, Outcome, RunnerError, StreamChatRequest, v1

from .either_client import AnyTurn, Open
from .scripted_server import (
    PATIENCE_SECONDS,
    Failure,
    ScriptedServer,
    UntilCancelled,
    answer,
    completed,
    events,
    info,
    of_unknown_kind,
    text,
)


async def kinds(turn: AnyTurn) -> list[str]:
    return [event.WhichOneof("event") or "" async for event in turn]


async def is_over(server: ScriptedServer) -> bool:
    """Whether the last call is over on the server's side. Waits, while the event loop goes on."""
    return await asyncio.to_thread(server.calls[-1].over.wait, PATIENCE_SECONDS)


async def until_called(server: ScriptedServer) -> None:
    while not server.calls:
        await asyncio.sleep(0.005)


async def test_gives_every_event_in_order(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.append(answer("Hello ", "there"))
    async with open_runner(server.address) as runner:
        turn = runner.stream(StreamChatRequest(prompt="Say hello", profile="coder"))
        assert await kinds(turn) == ["started", "text_delta", "text_delta", "result"]
        assert turn.turn_id == "turn-1"
    assert server.calls[0].request == StreamChatRequest(prompt="Say hello", profile="coder")


async def test_a_prompt_alone_is_a_request(server: ScriptedServer, open_runner: Open) -> None:
    async with open_runner(server.address) as runner:
        assert [piece async for piece in runner.stream("Say hello").text()] == ["You said: Say hello"]
        assert (await runner.chat("Say hello")).text == "You said: Say hello"


async def test_retracted_text_has_been_given_but_is_not_collected(server: ScriptedServer, open_runner: Open) -> None:
    script = events(
        v1.Started(),
        text("first ", message=0, block=2),
        text("kept ", message=1, block=0),
        text("void ", message=1, block=1),
        text("void too ", message=1, block=2),
        v1.Retracted(message_index=1, from_block_index=1),
        text("anew", message=1, block=1),
        completed(),
    )
    server.scripts.extend([script, script])
    async with open_runner(server.address) as runner:
        assert await runner.stream("x").full_text() == "first kept anew"
        turn = runner.stream("x")
        assert "".join([piece async for piece in turn.text()]) == "first kept void void too anew"
        assert turn.text_so_far == "first kept anew"


async def test_what_a_sub_agent_says_is_no_part_of_the_text(server: ScriptedServer, open_runner: Open) -> None:
    script = answer("mine", "its own")
    script[2].parent_tool_use_id = "toolu_1"
    server.scripts.extend([script, script])
    async with open_runner(server.address) as runner:
        assert await runner.stream("x").full_text() == "mine"
        assert [piece async for piece in runner.stream("x").text()] == ["mine"]


async def test_unknown_kinds_are_skipped_and_counted(server: ScriptedServer, open_runner: Open) -> None:
    script = answer("a", "b")
    server.scripts.append([*script[:2], of_unknown_kind(script[2]), script[3]])
    async with open_runner(server.address) as runner:
        turn = runner.stream("x")
        assert await kinds(turn) == ["started", "text_delta", "result"]
        assert turn.unknown_event_count == 1


async def test_a_limit_is_a_result_and_no_error(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.append(events(v1.Started(), text("cut"), completed("cut", Outcome.OUTCOME_OUTPUT_LIMIT)))
    async with open_runner(server.address) as runner:
        turn = runner.stream("x")
        assert (await turn.result()).outcome == Outcome.OUTCOME_OUTPUT_LIMIT
        assert await turn.full_text() == "cut"


async def test_a_turn_that_failed_gives_its_events_and_then_raises(server: ScriptedServer, open_runner: Open) -> None:
    died = completed("", Outcome.OUTCOME_WORKER_DIED)
    failure = Failure(grpc.StatusCode.ABORTED, details=[info("WORKER_DIED"), died], pushback="-1")
    server.scripts.append([*events(v1.Started(), text("half"), died), failure])
    async with open_runner(server.address) as runner:
        turn = runner.stream("x")
        seen = []
        with pytest.raises(RunnerError) as raised:
            async for event in turn:
                seen.append(event.WhichOneof("event"))  # noqa: PERF401
        assert seen == ["started", "text_delta", "result"]
        assert (raised.value.code, raised.value.reason, raised.value.result) == (failure.code, "WORKER_DIED", died)
        assert isinstance(raised.value.__cause__, grpc.RpcError)
        assert turn.text_so_far == "half"
        with pytest.raises(RunnerError, match="WORKER_DIED"):
            await turn.result()


async def test_a_stream_without_a_result_is_an_error(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.append(events(v1.Started(), text("half")))
    async with open_runner(server.address) as runner:
        with pytest.raises(RunnerError, match="without a result") as raised:
            await runner.stream("x").full_text()
    assert raised.value.code == grpc.StatusCode.INTERNAL


async def test_leaving_the_loop_over_events_cancels_the_turn(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.append([*answer("a")[:2], UntilCancelled()])
    async with open_runner(server.address) as runner:
        turn = runner.stream("x")
        async for _ in turn:
            break
        assert await is_over(server)
        with pytest.raises(RunnerError, match="CANCELLED"):
            await turn.result()


async def test_leaving_the_loop_over_text_cancels_the_turn(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.append([*answer("a")[:2], UntilCancelled()])
    async with open_runner(server.address) as runner:
        turn = runner.stream("x")
        async for _ in turn.text():
            break
        assert await is_over(server)


async def test_an_exception_in_the_loop_cancels_the_turn(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.append([*answer("a")[:2], UntilCancelled()])
    async with open_runner(server.address) as runner:
        with pytest.raises(ZeroDivisionError):
            async for _ in runner.stream("x").text():
                1 / 0  # noqa: B018
        assert await is_over(server)


async def test_the_end_of_the_block_cancels_the_turn(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.append([UntilCancelled()])
    async with open_runner(server.address) as runner:
        async with runner.stream("x"):
            await until_called(server)
        assert await is_over(server)


async def test_a_turn_that_nobody_reads_is_cancelled_when_it_is_dropped(
    server: ScriptedServer, open_runner: Open
) -> None:
    server.scripts.append([UntilCancelled()])
    async with open_runner(server.address) as runner:
        turn = runner.stream("x")
        await until_called(server)
        del turn
        gc.collect()
        assert await is_over(server)


async def test_cancel_raises_in_the_loop_and_twice_is_fine(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.append([*answer("a", "b")[:3], UntilCancelled()])
    async with open_runner(server.address) as runner:
        turn = runner.stream("x")
        with pytest.raises(RunnerError) as raised:
            async for event in turn:
                if event.HasField("text_delta"):
                    turn.cancel()
                    turn.cancel()
        assert (raised.value.code, raised.value.reason, raised.value.may_retry) == (
            grpc.StatusCode.CANCELLED,
            "",
            False,
        )
        assert turn.text_so_far == "a"
        assert await is_over(server)


async def test_leaving_at_the_result_leaves_a_turn_that_is_over(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.append(answer("a"))
    async with open_runner(server.address) as runner:
        turn = runner.stream("x")
        async for event in turn:
            if event.HasField("result"):
                break
        turn.cancel()
        assert (await turn.result()).outcome == Outcome.OUTCOME_COMPLETED


async def test_the_deadline_is_in_seconds(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.append([*answer("a")[:2], UntilCancelled()])
    async with open_runner(server.address) as runner:
        with pytest.raises(RunnerError) as raised:
            await runner.stream("x", timeout=0.3).full_text()
    assert raised.value.code == grpc.StatusCode.DEADLINE_EXCEEDED


async def test_what_is_no_request_is_refused_here(server: ScriptedServer, open_runner: Open) -> None:
    async with open_runner(server.address) as runner:
        with pytest.raises(TypeError, match="prompt or a StreamChatRequest, not ChatRequest"):
            runner.stream(v1.ChatRequest())  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="prompt or a ChatRequest, not StreamChatRequest"):
            await runner.chat(StreamChatRequest())  # type: ignore[arg-type]
    assert server.calls == []


async def test_another_thread_cancels_a_turn_that_waits(server: ScriptedServer) -> None:
    server.scripts.append([UntilCancelled()])
    with ClaudeRunner(server.address) as runner:
        turn = runner.stream("x")
        reading = asyncio.create_task(asyncio.to_thread(turn.full_text))
        await until_called(server)
        turn.cancel()
        with pytest.raises(RunnerError, match="CANCELLED"):
            await reading


async def test_another_task_cancels_a_turn_that_waits(server: ScriptedServer) -> None:
    server.scripts.append([UntilCancelled()])
    async with AsyncClaudeRunner(server.address) as runner:
        turn = runner.stream("x")
        reading = asyncio.create_task(turn.full_text())
        await until_called(server)
        turn.cancel()
        with pytest.raises(RunnerError, match="CANCELLED"):
            await reading


async def test_a_task_that_is_cancelled_takes_its_turn_along(server: ScriptedServer) -> None:
    server.scripts.append([UntilCancelled()])
    async with AsyncClaudeRunner(server.address) as runner:
        reading = asyncio.create_task(runner.stream("x").full_text())
        await until_called(server)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert await is_over(server)


async def test_closing_the_client_ends_its_turns(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.append([*answer("a")[:2], UntilCancelled()])
    async with open_runner(server.address) as runner:
        pieces = aiter(runner.stream("x").text())
        await anext(pieces)
    with pytest.raises(RunnerError, match="CANCELLED"):
        await anext(pieces)


def test_an_async_client_is_made_inside_of_a_coroutine() -> None:
    with pytest.raises(RuntimeError, match="inside of a coroutine"):
        AsyncClaudeRunner()
