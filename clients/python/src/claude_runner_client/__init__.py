"""Client of claude-runner: Claude Code as a typed gRPC service.

`ClaudeRunner` is the client; `AsyncClaudeRunner` is the same for asyncio. Both start turns (`Turn`, `AsyncTurn`) and
keep conversations (`Conversation`, `AsyncConversation`). What a call failed with is a `RunnerError`. Requests, events
and results are the generated messages of the contract: the usual ones are here, all of them in
`claude_runner_client.v1`.

Every time in this package is in seconds, as elsewhere in gRPC for Python.
"""

from ._aio_client import AsyncClaudeRunner
from ._aio_conversation import AsyncConversation
from ._aio_turn import AsyncTurn
from ._channel_options import channel_options
from ._client import ClaudeRunner
from ._conversation import Conversation
from ._errors import RunnerError, Violation
from ._turn import Turn
from .v1 import (
    ChatRequest,
    ChatResponse,
    ContentBlock,
    Detail,
    DocumentBlock,
    Effort,
    ErrorReason,
    GetInfoResponse,
    GetPoolResponse,
    HistoryMessage,
    ImageBlock,
    Outcome,
    Role,
    Started,
    StreamChatRequest,
    StreamChatResponse,
    TurnLimits,
    TurnResult,
    Usage,
)

__all__ = [
    "AsyncClaudeRunner",
    "AsyncConversation",
    "AsyncTurn",
    "ChatRequest",
    "ChatResponse",
    "ClaudeRunner",
    "ContentBlock",
    "Conversation",
    "Detail",
    "DocumentBlock",
    "Effort",
    "ErrorReason",
    "GetInfoResponse",
    "GetPoolResponse",
    "HistoryMessage",
    "ImageBlock",
    "Outcome",
    "Role",
    "RunnerError",
    "Started",
    "StreamChatRequest",
    "StreamChatResponse",
    "Turn",
    "TurnLimits",
    "TurnResult",
    "Usage",
    "Violation",
    "channel_options",
]
