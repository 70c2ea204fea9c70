"""A turn that goes on when its connection breaks, and what becomes of it when its caller goes, with both clients."""

import asyncio

import grpc
import pytest

from claude_runner_client import (
    AsyncClaudeRunner,
    ChatRequest,
    ChatResponse,
    ClaudeRunner,
    RunnerError,
    StreamChatRequest,
    v1,
)
from claude_runner_client._aio_rejoining_call import AsyncCollectedCall

from .either_client import AnyTurn, Open
from .scripted_server import (
    Failure,
    ScriptedServer,
    UntilCancelled,
    answer,
    attached,
    broken_way,
    completed,
    events,
    info,
    text,
)


async def numbers(turn: AnyTurn) -> list[int]:
    return [event.sequence async for event in turn]


async def until_called(server: ScriptedServer) -> None:
    while not server.calls:
        await asyncio.sleep(0.005)


async def test_a_broken_stream_goes_on_after_its_last_event(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.append([*events(v1.Started(), text("Hel")), broken_way()])
    # The first of them is known already.
    server.attach_scripts.append(attached(text("Hel"), text("lo"), broken_way(), after=1))
    server.attach_scripts.append(attached(v1.Heartbeat(), completed("Hello"), after=3))
    async with open_runner(server.address) as runner:
        turn = runner.stream("Say hello", rejoin=True)
        assert await numbers(turn) == [1, 2, 3, 3, 4]
        assert (turn.text_so_far, turn.has_gap) == ("Hello", False)
    [call] = server.calls
    assert call.request.on_disconnect == v1.OnDisconnect.ON_DISCONNECT_CONTINUE
    assert [(each.request_id, each.after_sequence) for each in server.attached] == [
        (call.request.request_id, 2),
        (call.request.request_id, 3),
    ]
    assert server.interrupted == []


async def test_a_heartbeat_of_a_turn_that_waits_comes_before_no_started(
    server: ScriptedServer, open_runner: Open
) -> None:
    server.scripts.append([broken_way()])
    server.attach_scripts.append(attached(v1.Heartbeat(), v1.Started(), completed("Hello")))
    async with open_runner(server.address) as runner:
        assert await numbers(runner.stream("x", rejoin=True)) == [1, 2]


async def test_a_gap_is_given_as_an_event_and_marks_the_turn(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.append([*events(v1.Started(), text("Hel")), broken_way()])
    server.attach_scripts.append(attached(completed("Hello"), gap=(3, 5), after=5))
    async with open_runner(server.address) as runner:
        turn = runner.stream("x", rejoin=True)
        gaps = [event async for event in turn if event.HasField("gap")]
        assert [(each.sequence, each.turn_id, each.gap) for each in gaps] == [
            (5, "turn-1", v1.Gap(first_sequence=3, last_sequence=5))
        ]
        assert turn.has_gap


async def test_a_conversation_goes_on_with_the_whole_answer_when_its_stream_had_a_gap(
    server: ScriptedServer, open_runner: Open
) -> None:
    server.scripts.append([*events(v1.Started(), text("Hel")), broken_way()])
    server.attach_scripts.append(attached(completed("Hello"), gap=(3, 5), after=5))
    async with open_runner(server.address) as runner:
        conversation = runner.conversation()
        await conversation.stream("x", rejoin=True).full_text()
        assert [message.text for message in conversation.messages] == ["x", "Hello"]


async def test_a_turn_that_failed_raises_what_its_own_call_would_have(
    server: ScriptedServer, open_runner: Open
) -> None:
    server.scripts.append([*events(v1.Started(), text("Hel")), broken_way()])
    died = completed()
    died.error.reason = v1.ErrorReason.ERROR_REASON_WORKER_DIED
    died.error.message = "the worker died"
    server.attach_scripts.append(attached(died, after=2))
    async with open_runner(server.address) as runner:
        with pytest.raises(RunnerError, match="the worker died") as raised:
            await runner.stream("x", rejoin=True).full_text()
    assert (raised.value.code, raised.value.reason) == (grpc.StatusCode.ABORTED, "WORKER_DIED")


async def test_a_turn_that_never_began_fails_with_what_it_failed_with(
    server: ScriptedServer, open_runner: Open
) -> None:
    server.scripts.append([broken_way()])
    refused = Failure(grpc.StatusCode.UNAVAILABLE, details=[info("QUEUE_TIMEOUT")], pushback="-1")
    server.attach_scripts.append([refused])
    async with open_runner(server.address) as runner:
        with pytest.raises(RunnerError, match="QUEUE_TIMEOUT"):
            await runner.stream("x", rejoin=True).full_text()


async def test_a_call_that_the_server_never_had_is_sent_again(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.extend([[broken_way()], answer("Here I am")])
    server.attach_scripts.append([Failure(grpc.StatusCode.NOT_FOUND, details=[info("TURN_NOT_FOUND")])])
    async with open_runner(server.address) as runner:
        assert await runner.stream("x", rejoin=True).full_text() == "Here I am"
    one, two = server.calls
    assert one.request == two.request


async def test_leaving_the_loop_interrupts_the_turn(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.append([*answer("a")[:2], UntilCancelled()])
    async with open_runner(server.address) as runner:
        turn = runner.stream("x", rejoin=True)
        iterator = aiter(turn.text())
        await anext(iterator)
        await iterator.aclose()  # type: ignore[attr-defined]
        # It is done by then: a program may end right behind it.
        assert server.interrupted == ["turn-1"]
        with pytest.raises(RunnerError, match="CANCELLED"):
            await turn.result()


async def test_cancel_interrupts_the_turn(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.append([*answer("a")[:2], UntilCancelled()])
    async with open_runner(server.address) as runner:
        turn = runner.stream("x", rejoin=True)
        with pytest.raises(RunnerError, match="CANCELLED"):
            async for _ in turn.text():
                turn.cancel()
        assert server.interrupted == ["turn-1"]


async def test_a_turn_without_an_event_yet_is_interrupted_by_its_request_id(
    server: ScriptedServer, open_runner: Open
) -> None:
    server.scripts.append([UntilCancelled()])
    request = StreamChatRequest(prompt="x", request_id="mine")
    async with open_runner(server.address) as runner:
        async with runner.stream(request, rejoin=True):
            await until_called(server)
        assert server.interrupted == ["turn of mine"]
    assert request == StreamChatRequest(prompt="x", request_id="mine")


async def test_the_deadline_interrupts_the_turn(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.append([*answer("a")[:2], UntilCancelled()])
    async with open_runner(server.address) as runner:
        with pytest.raises(RunnerError, match="DEADLINE_EXCEEDED"):
            await runner.stream("x", rejoin=True, timeout=0.3).full_text()
        assert server.interrupted == ["turn-1"]


async def test_closing_the_client_interrupts_the_turn(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.append([*answer("a")[:2], UntilCancelled()])
    async with open_runner(server.address) as runner:
        pieces = aiter(runner.stream("x", rejoin=True).text())
        await anext(pieces)
    assert server.interrupted == ["turn-1"]
    with pytest.raises(RunnerError, match="CANCELLED"):
        await anext(pieces)


async def test_a_task_that_is_cancelled_interrupts_its_turn(server: ScriptedServer) -> None:
    server.scripts.append([UntilCancelled()])
    async with AsyncClaudeRunner(server.address) as runner:
        request = StreamChatRequest(prompt="x", request_id="mine")
        reading = asyncio.create_task(runner.stream(request, rejoin=True).full_text())
        await until_called(server)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert server.interrupted == ["turn of mine"]


async def test_who_leaves_a_turn_that_they_only_read_does_not_stop_it(
    server: ScriptedServer, open_runner: Open
) -> None:
    server.attach_scripts.append(attached(text("lo"), completed("Hello"), after=2))
    async with open_runner(server.address) as runner:
        async with runner.attach("turn-1", after_sequence=2) as turn:
            async for event in turn:
                assert event.sequence == 3
                break
        with pytest.raises(ValueError, match="which turn"):
            runner.attach()
        assert (await runner.get_turn(request_id="mine")).turn.id == "turn of mine"
    assert server.attached == [v1.AttachTurnRequest(turn_id="turn-1", after_sequence=2)]
    assert server.interrupted == []


async def test_an_idempotent_call_is_sent_again_under_one_id_and_a_plain_one_is_not(
    server: ScriptedServer, open_runner: Open
) -> None:
    server.scripts.extend([[broken_way()], ChatResponse(text="Hello"), [broken_way()]])
    async with open_runner(server.address) as runner:
        assert (await runner.chat("x", idempotent=True)).text == "Hello"
        one, two = server.calls
        assert one.request == two.request
        assert one.request.request_id != ""
        assert one.request.on_disconnect == v1.OnDisconnect.ON_DISCONNECT_CONTINUE
        with pytest.raises(RunnerError, match="UNAVAILABLE"):
            await runner.chat("x")
        assert len(server.calls) == 3


async def test_closing_the_client_interrupts_a_collected_turn_that_would_go_on(server: ScriptedServer) -> None:
    server.scripts.append([UntilCancelled()])
    runner = AsyncClaudeRunner(server.address)
    request = ChatRequest(prompt="x", request_id="mine")
    asking = asyncio.create_task(runner.chat(request, idempotent=True))
    await until_called(server)
    await runner.close()
    with pytest.raises(RunnerError, match="the client is closed"):
        await asking
    assert server.interrupted == ["turn of mine"]


async def test_closing_the_blocking_client_interrupts_a_collected_turn_too(server: ScriptedServer) -> None:
    server.scripts.append([UntilCancelled()])
    runner = ClaudeRunner(server.address)
    request = ChatRequest(prompt="x", request_id="mine")
    asking = asyncio.create_task(asyncio.to_thread(runner.chat, request, idempotent=True))
    await until_called(server)
    await asyncio.to_thread(runner.close)
    with pytest.raises(RunnerError, match="the client is closed"):
        await asking
    assert server.interrupted == ["turn of mine"]


async def test_a_task_that_is_cancelled_between_two_tries_interrupts_its_turn(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused = asyncio.Event()

    async def pause(*_: object) -> None:
        paused.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(AsyncCollectedCall, "_pause", pause)
    server.scripts.append([broken_way()])
    async with AsyncClaudeRunner(server.address) as runner:
        request = ChatRequest(prompt="x", request_id="mine")
        asking = asyncio.create_task(runner.chat(request, idempotent=True))
        await paused.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert server.interrupted == ["turn of mine"]


async def test_closing_the_client_leaves_a_turn_alone_whose_call_is_over(
    server: ScriptedServer, open_runner: Open
) -> None:
    server.scripts.append([Failure(grpc.StatusCode.FAILED_PRECONDITION, details=[info("CONTEXT_FULL")])])
    async with open_runner(server.address) as runner:
        with pytest.raises(RunnerError) as kept:
            await runner.chat("x", idempotent=True)
    assert kept.value.reason == "CONTEXT_FULL"
    assert server.interrupted == []


async def test_a_reader_too_many_waits_until_another_one_goes(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.append([*answer("Hel")[:2], broken_way()])
    server.attach_scripts.append(
        [Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "64 calls read it", details=[info("QUOTA_EXCEEDED")])]
    )
    server.attach_scripts.append(attached(text("lo"), completed("Hello"), after=2))
    async with open_runner(server.address) as runner:
        assert await runner.stream("x", rejoin=True).full_text() == "Hello"
