"""Client of claude-runner: Claude Code as a typed gRPC service.

`ClaudeRunner` is the client; `AsyncClaudeRunner` is the same for asyncio. Both start turns (`Turn`, `AsyncTurn`) and
keep conversations (`Conversation`, `AsyncConversation`); a `Session` or `AsyncSession` is one that the server keeps.
What a call failed with is a `RunnerError`. Requests, events and results are the generated messages of the contract: the
usual ones are here, all of them in `claude_runner_client.v1`.

Every time in this package is in seconds, as elsewhere in gRPC for Python.
"""

from ._aio_client import AsyncClaudeRunner
from ._aio_conversation import AsyncConversation
from ._aio_session import AsyncSession
from ._aio_turn import AsyncTurn
from ._channel_options import channel_options
from ._client import ClaudeRunner
from ._conversation import Conversation
from ._errors import RunnerError, Violation
from ._session import Session
from ._turn import Turn
from .v1 import (
    BusyPolicy,
    ChatRequest,
    ChatResponse,
    ContentBlock,
    CreateSessionRequest,
    Detail,
    DocumentBlock,
    Effort,
    ErrorReason,
    GetInfoResponse,
    GetPoolResponse,
    GetTurnResponse,
    HistoryMessage,
    ImageBlock,
    ListSessionsRequest,
    ListTurnsRequest,
    Outcome,
    Role,
    Started,
    StreamChatRequest,
    StreamChatResponse,
    TurnLimits,
    TurnResult,
    TurnView,
    Usage,
)

__all__ = [
    "AsyncClaudeRunner",
    "AsyncConversation",
    "AsyncSession",
    "AsyncTurn",
    "BusyPolicy",
    "ChatRequest",
    "ChatResponse",
    "ClaudeRunner",
    "ContentBlock",
    "Conversation",
    "CreateSessionRequest",
    "Detail",
    "DocumentBlock",
    "Effort",
    "ErrorReason",
    "GetInfoResponse",
    "GetPoolResponse",
    "GetTurnResponse",
    "HistoryMessage",
    "ImageBlock",
    "ListSessionsRequest",
    "ListTurnsRequest",
    "Outcome",
    "Role",
    "RunnerError",
    "Session",
    "Started",
    "StreamChatRequest",
    "StreamChatResponse",
    "Turn",
    "TurnLimits",
    "TurnResult",
    "TurnView",
    "Usage",
    "Violation",
    "channel_options",
]
