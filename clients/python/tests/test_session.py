"""Handles of sessions, and lists page by page, with both clients."""

import pytest

from claude_runner_client import (
    BusyPolicy,
    CreateSessionRequest,
    ListSessionsRequest,
    RunnerError,
    StreamChatRequest,
    v1,
)

from .either_client import Open
from .scripted_server import ScriptedServer


async def test_only_the_first_turn_of_a_handle_may_create_its_session(
    server: ScriptedServer, open_runner: Open
) -> None:
    async with open_runner(server.address) as runner:
        session = runner.session(
            "trip",
            StreamChatRequest(profile="coder"),
            title="A trip",
            labels={"user": "ada"},
            idle_expiry=3600.5,
            busy_policy=BusyPolicy.BUSY_POLICY_QUEUE,
        )
        assert await session.stream("one").full_text() == "You said: one"
        assert (await session.chat(StreamChatRequest(prompt="two", model="m"))).text == "You said: two"
        await runner.session("trip", create=False).chat("three")
    one, two, three = (call.request for call in server.calls)
    assert [each.session.allow_missing for each in (one, two, three)] == [True, False, False]
    assert [each.session.id for each in (one, two, three)] == ["trip"] * 3
    assert (one.profile, one.session.title, dict(one.session.labels)) == ("coder", "A trip", {"user": "ada"})
    assert (one.session.idle_expiry.ToMilliseconds(), one.busy_policy) == (
        3_600_500,
        BusyPolicy.BUSY_POLICY_QUEUE,
    )
    assert (two.profile, two.model) == ("coder", "m")


async def test_a_session_refuses_a_template_with_a_prompt_or_a_history(
    server: ScriptedServer, open_runner: Open
) -> None:
    async with open_runner(server.address) as runner:
        with pytest.raises(ValueError, match="unset"):
            runner.session("trip", StreamChatRequest(prompt="x"))


async def test_a_list_has_all_pages(server: ScriptedServer, open_runner: Open) -> None:
    async with open_runner(server.address) as runner:
        turns = [turn async for turn in runner.session("trip").turns()]
        assert [(turn.id, turn.session_id, turn.has_content) for turn in turns] == [
            (str(number), "trip", True) for number in range(1, 6)
        ]
        assert server.page_tokens == ["", "2", "4"]
        async for session in runner.sessions():
            assert session.id == "1"
            break
        # No page was asked for that nobody wanted.
        assert server.page_tokens == ["", "2", "4", ""]
        with pytest.raises(RunnerError, match="not yours"):
            [each async for each in runner.sessions(ListSessionsRequest(title_contains="nobody's"))]


async def test_a_handle_asks_and_changes_and_copies(server: ScriptedServer, open_runner: Open) -> None:
    async with open_runner(server.address) as runner:
        assert (await runner.create_session(CreateSessionRequest(title="New"))).id == "chosen"
        session = runner.session("trip")
        assert (await session.get()).id == "trip"
        assert (await session.update(title="", labels={"a": "b"})).id == "trip"
        assert (await session.fork(new_id="copy", before_turn_id="turn-2")).id == "copy"
        with pytest.raises(ValueError, match="one of them"):
            await session.fork(last_turn_id="1", before_turn_id="2")
        assert (await session.delete(force=True)).interrupted_turn_id == "turn-1"
    [update] = server.updates
    # An empty title is a change as well.
    assert (list(update.update_mask.paths), dict(update.labels)) == (["title", "labels"], {"a": "b"})
    assert server.forks == [v1.ForkSessionRequest(id="trip", new_id="copy", before_turn_id="turn-2")]
