"""The bounds of a conversation."""

from claude_runner_client import HistoryMessage, Role, StreamChatRequest
from claude_runner_client._history import MAX_MESSAGE_COUNT, MAX_TEXT_BYTES, History


def texts(history: History) -> list[str]:
    return [message.text for message in history.messages]


def test_pairs_are_kept_in_order() -> None:
    history = History(None)
    assert history.add("one", "1")
    assert history.add("two", "2")
    assert [(message.role, message.text) for message in history.messages] == [
        (Role.ROLE_USER, "one"),
        (Role.ROLE_ASSISTANT, "1"),
        (Role.ROLE_USER, "two"),
        (Role.ROLE_ASSISTANT, "2"),
    ]


def test_an_answer_of_white_space_is_left_out_with_its_prompt() -> None:
    history = History(None)
    assert not history.add("one", " \n")
    assert history.messages == ()


def test_beyond_400_messages_the_oldest_pair_goes() -> None:
    history = History(None)
    for number in range(MAX_MESSAGE_COUNT // 2 + 1):
        history.add(f"prompt {number}", f"answer {number}")
    assert len(history.messages) == MAX_MESSAGE_COUNT
    assert texts(history)[:2] == ["prompt 1", "answer 1"]


def test_beyond_4_mib_of_utf8_the_oldest_pairs_go() -> None:
    history = History(None)
    history.add("oldest", "a")
    history.add("old", "é" * (MAX_TEXT_BYTES // 4))  # 2 MiB
    history.add("new", "b" * (MAX_TEXT_BYTES // 2 - len("oldestaoldnew")))
    assert texts(history)[::2] == ["oldest", "old", "new"]
    history.add("c", "c")
    assert texts(history)[::2] == ["old", "new", "c"]


def test_a_pair_that_alone_is_too_long_leaves_nothing() -> None:
    # Kept, it would make the server refuse every turn from now on.
    history = History(None)
    history.add("one", "1")
    history.add("long", "x" * MAX_TEXT_BYTES)
    assert history.messages == ()


def test_it_begins_with_the_history_of_its_template() -> None:
    said = [HistoryMessage(role=Role.ROLE_USER, text="one"), HistoryMessage(role=Role.ROLE_ASSISTANT, text="1")]
    history = History(StreamChatRequest(profile="coder", history=said))
    request = history.request("two")
    assert (request.profile, request.prompt, list(request.history)) == ("coder", "two", said)
