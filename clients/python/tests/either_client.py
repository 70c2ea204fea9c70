"""The blocking client behind the methods of the asyncio one, so that a behaviour is written down once for both."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from claude_runner_client import (
    AsyncClaudeRunner,
    AsyncConversation,
    AsyncTurn,
    ChatResponse,
    ClaudeRunner,
    Conversation,
    GetInfoResponse,
    GetPoolResponse,
    GetTurnResponse,
    Session,
    StreamChatResponse,
    Turn,
    TurnResult,
    v1,
)


class BlockingTurn:
    """A Turn as an AsyncTurn. Blocks the event loop, which is all right: the server has threads."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn

    async def __aiter__(self) -> AsyncIterator[StreamChatResponse]:
        for event in self._turn:
            yield event

    async def __aenter__(self) -> "BlockingTurn":
        self._turn.__enter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        self._turn.__exit__(*error)

    async def text(self) -> AsyncIterator[str]:
        """See Turn."""
        for piece in self._turn.text():
            yield piece

    async def full_text(self) -> str:
        """See Turn."""
        return self._turn.full_text()

    async def result(self) -> TurnResult:
        """See Turn."""
        return self._turn.result()

    def cancel(self) -> None:
        """See Turn."""
        self._turn.cancel()

    @property
    def text_so_far(self) -> str:
        """See Turn."""
        return self._turn.text_so_far

    @property
    def turn_id(self) -> str:
        """See Turn."""
        return self._turn.turn_id

    @property
    def has_gap(self) -> bool:
        """See Turn."""
        return self._turn.has_gap

    @property
    def unknown_event_count(self) -> int:
        """See Turn."""
        return self._turn.unknown_event_count


class BlockingConversation:
    """A Conversation as an AsyncConversation."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self.stream: Callable[..., BlockingTurn] = lambda *args, **options: BlockingTurn(
            conversation.stream(*args, **options)
        )

    @property
    def messages(self) -> Any:
        """See Conversation."""
        return self._conversation.messages

    async def chat(self, prompt: str) -> ChatResponse:
        """See Conversation."""
        return self._conversation.chat(prompt)


class BlockingSession:
    """A Session as an AsyncSession."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def stream(self, *args: Any, **options: Any) -> BlockingTurn:
        """See Session."""
        return BlockingTurn(self._session.stream(*args, **options))

    async def chat(self, *args: Any, **options: Any) -> ChatResponse:
        """See Session."""
        return self._session.chat(*args, **options)

    async def get(self) -> v1.Session:
        """See Session."""
        return self._session.get()

    async def update(self, **changes: Any) -> v1.Session:
        """See Session."""
        return self._session.update(**changes)

    async def fork(self, **options: Any) -> v1.Session:
        """See Session."""
        return self._session.fork(**options)

    async def delete(self, **options: Any) -> v1.DeleteSessionResponse:
        """See Session."""
        return self._session.delete(**options)

    async def turns(self) -> AsyncIterator[v1.Turn]:
        """See Session."""
        for turn in self._session.turns():
            yield turn


class BlockingRunner:
    """A ClaudeRunner as an AsyncClaudeRunner."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._runner = ClaudeRunner(*args, **options)

    async def __aenter__(self) -> "BlockingRunner":
        return self

    async def __aexit__(self, *error: Any) -> None:
        self._runner.close()

    def __repr__(self) -> str:
        return repr(self._runner)

    def stream(self, *args: Any, **options: Any) -> BlockingTurn:
        """See ClaudeRunner."""
        return BlockingTurn(self._runner.stream(*args, **options))

    def conversation(self, *args: Any) -> BlockingConversation:
        """See ClaudeRunner."""
        return BlockingConversation(self._runner.conversation(*args))

    async def chat(self, *args: Any, **options: Any) -> ChatResponse:
        """See ClaudeRunner."""
        return self._runner.chat(*args, **options)

    def attach(self, *args: Any, **options: Any) -> BlockingTurn:
        """See ClaudeRunner."""
        return BlockingTurn(self._runner.attach(*args, **options))

    def session(self, *args: Any, **options: Any) -> BlockingSession:
        """See ClaudeRunner."""
        return BlockingSession(self._runner.session(*args, **options))

    async def create_session(self, *args: Any) -> v1.Session:
        """See ClaudeRunner."""
        return self._runner.create_session(*args)

    async def sessions(self, *args: Any) -> AsyncIterator[v1.Session]:
        """See ClaudeRunner."""
        for session in self._runner.sessions(*args):
            yield session

    async def get_turn(self, *args: Any, **options: Any) -> GetTurnResponse:
        """See ClaudeRunner."""
        return self._runner.get_turn(*args, **options)

    async def info(self) -> GetInfoResponse:
        """See ClaudeRunner."""
        return self._runner.info()

    async def pool(self) -> GetPoolResponse:
        """See ClaudeRunner."""
        return self._runner.pool()


Runner = AsyncClaudeRunner | BlockingRunner
AnyTurn = AsyncTurn | BlockingTurn
AnyConversation = AsyncConversation | BlockingConversation
Open = Callable[..., Runner]
