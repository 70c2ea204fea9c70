"""What was said in a conversation, within the bounds of a request."""

from .v1 import HistoryMessage, Role, StreamChatRequest

MAX_MESSAGE_COUNT = 400
MAX_TEXT_BYTES = 4 * 1024 * 1024


class History:
    """The messages of a conversation, and the request that every turn of it starts from."""

    def __init__(self, template: StreamChatRequest | None) -> None:
        self._template = StreamChatRequest()
        if template is not None:
            if template.prompt or template.content:
                raise ValueError(
                    "a conversation gets its prompts one by one: leave prompt and content of the request unset"
                )
            self._template.CopyFrom(template)
        self._messages = within_bounds(list(self._template.history))
        self._template.ClearField("history")

    @property
    def messages(self) -> tuple[HistoryMessage, ...]:
        """The messages so far, oldest first."""
        return tuple(self._messages)

    def request(self, prompt: str) -> StreamChatRequest:
        """The request for the next turn."""
        request = StreamChatRequest()
        request.CopyFrom(self._template)
        request.prompt = prompt
        request.history.extend(self._messages)
        return request

    def add(self, prompt: str, answer: str) -> bool:
        """Adds a turn. False: it had no text, which no history can carry, so it was left out."""
        if not answer.strip():
            return False
        said = HistoryMessage(role=Role.ROLE_USER, text=prompt)
        answered = HistoryMessage(role=Role.ROLE_ASSISTANT, text=answer)
        self._messages = within_bounds([*self._messages, said, answered])
        return True


def within_bounds(messages: list[HistoryMessage]) -> list[HistoryMessage]:
    """The newest messages that a request can carry: whole pairs of what the user and Claude said."""
    sizes = [len(message.text.encode()) for message in messages]
    size_bytes = sum(sizes)
    first = 0
    while len(messages) - first > MAX_MESSAGE_COUNT or size_bytes > MAX_TEXT_BYTES:
        size_bytes -= sum(sizes[first : first + 2])
        first += 2
    return messages[first:]
