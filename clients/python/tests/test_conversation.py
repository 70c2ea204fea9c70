"""A conversation with a server, with both clients."""

import grpc
import pytest

from claude_runner_client import ChatRequest, ChatResponse, Detail, RunnerError, StreamChatRequest, v1

from .either_client import AnyConversation, Open
from .scripted_server import Failure, ScriptedServer, UntilCancelled, answer, completed, events, text


def sent(server: ScriptedServer) -> list[str]:
    """The texts of the history in the last request."""
    return [message.text for message in server.calls[-1].request.history]


def kept(conversation: AnyConversation) -> list[str]:
    return [message.text for message in conversation.messages]


async def test_what_was_said_goes_with_every_turn(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.extend([answer("1"), ChatResponse(text="2"), answer("3")])
    async with open_runner(server.address) as runner:
        conversation = runner.conversation(StreamChatRequest(profile="coder", detail=Detail.DETAIL_TEXT))
        await conversation.stream("one").full_text()
        assert (await conversation.chat("two")).text == "2"
        assert sent(server) == ["one", "1"]
        # `detail` is no field of a ChatRequest, not even one that it does not know.
        assert server.calls[-1].request == ChatRequest(
            profile="coder", prompt="two", history=server.calls[-1].request.history
        )
        assert [piece async for piece in conversation.stream("three").text()] == ["3"]
        assert sent(server) == ["one", "1", "two", "2"]
        assert kept(conversation) == ["one", "1", "two", "2", "three", "3"]
    assert {call.request.profile for call in server.calls} == {"coder"}


async def test_retracted_text_is_not_remembered(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.append(events(v1.Started(), text("void"), v1.Retracted(), text("1"), completed()))
    async with open_runner(server.address) as runner:
        conversation = runner.conversation()
        async for _ in conversation.stream("one").text():
            pass
    assert kept(conversation) == ["one", "1"]


async def test_a_turn_that_failed_adds_nothing(server: ScriptedServer, open_runner: Open) -> None:
    aborted = Failure(grpc.StatusCode.ABORTED)
    server.scripts.extend([[*answer("half"), aborted], [aborted]])
    async with open_runner(server.address) as runner:
        conversation = runner.conversation()
        with pytest.raises(RunnerError):
            await conversation.stream("one").full_text()
        with pytest.raises(RunnerError):
            await conversation.chat("one")
    assert conversation.messages == ()


async def test_a_turn_that_was_cancelled_adds_nothing(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.append([*answer("half")[:2], UntilCancelled()])
    async with open_runner(server.address) as runner:
        conversation = runner.conversation()
        async for _ in conversation.stream("one").text():
            break
    assert conversation.messages == ()


async def test_a_turn_that_was_left_at_its_result_counts(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.append(answer("1"))
    async with open_runner(server.address) as runner:
        conversation = runner.conversation()
        async for event in conversation.stream("one"):
            if event.HasField("result"):
                break
    assert kept(conversation) == ["one", "1"]


async def test_an_answer_without_text_is_left_out(server: ScriptedServer, open_runner: Open) -> None:
    server.scripts.extend([answer(), ChatResponse()])
    async with open_runner(server.address) as runner:
        conversation = runner.conversation()
        await conversation.stream("one").result()
        await conversation.chat("two")
    assert conversation.messages == ()


async def test_structured_output_is_remembered_as_its_json(server: ScriptedServer, open_runner: Open) -> None:
    structured = completed()
    structured.structured_output_json = '{"river":"Rhine"}'
    server.scripts.extend([events(v1.Started(), structured), ChatResponse(result=structured)])
    async with open_runner(server.address) as runner:
        conversation = runner.conversation(StreamChatRequest(output_schema_json="{}"))
        await conversation.stream("one").result()
        await conversation.chat("two")
    assert kept(conversation) == ["one", '{"river":"Rhine"}', "two", '{"river":"Rhine"}']


async def test_a_template_has_no_prompt(server: ScriptedServer, open_runner: Open) -> None:
    async with open_runner(server.address) as runner:
        with pytest.raises(ValueError, match="prompts one by one"):
            runner.conversation(StreamChatRequest(prompt="one"))
