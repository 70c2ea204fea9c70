"""A conversation of the asyncio client: what was said so far goes with every turn."""

from collections.abc import Awaitable, Callable
from typing import final

from ._aio_turn import AsyncTurn
from ._history import History
from ._requests import collected
from ._target import MetadataLike
from .v1 import ChatResponse, HistoryMessage, StreamChatRequest


@final
class AsyncConversation:
    """Keeps what was said and sends it along, so that the server keeps nothing. One turn at a time.

    A turn that failed or was cancelled adds nothing. Neither does one whose answer has no text, since a history cannot
    carry it: the next turn does not know of it. Beyond 400 messages or 4 MiB of text the oldest pairs are dropped.
    """

    def __init__(
        self,
        start: Callable[..., AsyncTurn],
        chat: Callable[..., Awaitable[ChatResponse]],
        template: StreamChatRequest | None,
    ) -> None:
        """Made by `AsyncClaudeRunner.conversation`."""
        self._start = start
        self._chat = chat
        self._history = History(template)

    @property
    def messages(self) -> tuple[HistoryMessage, ...]:
        """What was said so far, oldest first: the history of the next turn."""
        return self._history.messages

    def stream(
        self,
        prompt: str,
        *,
        rejoin: bool = False,
        timeout: float | None = None,
        metadata: MetadataLike = (),
    ) -> AsyncTurn:
        """Starts the next turn, which counts once it was read to its end. See `AsyncClaudeRunner.stream`."""
        request = self._history.request(prompt)
        return self._start(
            request,
            timeout,
            metadata,
            rejoin=rejoin,
            on_answer=lambda answer: self._history.add(prompt, answer),
        )

    async def chat(
        self,
        prompt: str,
        *,
        idempotent: bool = False,
        timeout: float | None = None,
        metadata: MetadataLike = (),
    ) -> ChatResponse:
        """Runs the next turn and answers when it is over. See `AsyncClaudeRunner.chat`."""
        request = collected(self._history.request(prompt))
        response = await self._chat(request, idempotent=idempotent, timeout=timeout, metadata=metadata)
        self._history.add(prompt, response.text or response.result.structured_output_json)
        return response
