import datetime

from . import result_pb2 as _result_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ConversationSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONVERSATION_SOURCE_UNSPECIFIED: _ClassVar[ConversationSource]
    CONVERSATION_SOURCE_NEW: _ClassVar[ConversationSource]
    CONVERSATION_SOURCE_KEPT: _ClassVar[ConversationSource]
    CONVERSATION_SOURCE_SEEDED: _ClassVar[ConversationSource]
    CONVERSATION_SOURCE_RESUMED: _ClassVar[ConversationSource]

class ClaimSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLAIM_SOURCE_UNSPECIFIED: _ClassVar[ClaimSource]
    CLAIM_SOURCE_REUSED: _ClassVar[ClaimSource]
    CLAIM_SOURCE_SPARE: _ClassVar[ClaimSource]
    CLAIM_SOURCE_COLD_NO_SPARE: _ClassVar[ClaimSource]
    CLAIM_SOURCE_COLD_POOL_OFF: _ClassVar[ClaimSource]

class BlockKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BLOCK_KIND_UNSPECIFIED: _ClassVar[BlockKind]
    BLOCK_KIND_TEXT: _ClassVar[BlockKind]
    BLOCK_KIND_THINKING: _ClassVar[BlockKind]
    BLOCK_KIND_REDACTED_THINKING: _ClassVar[BlockKind]
    BLOCK_KIND_TOOL_USE: _ClassVar[BlockKind]
    BLOCK_KIND_SERVER_TOOL_USE: _ClassVar[BlockKind]
    BLOCK_KIND_SERVER_TOOL_RESULT: _ClassVar[BlockKind]

class RetractionCause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RETRACTION_CAUSE_UNSPECIFIED: _ClassVar[RetractionCause]
    RETRACTION_CAUSE_STREAM_BROKEN: _ClassVar[RetractionCause]
    RETRACTION_CAUSE_REFUSAL: _ClassVar[RetractionCause]

class Activity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACTIVITY_UNSPECIFIED: _ClassVar[Activity]
    ACTIVITY_REQUESTING: _ClassVar[Activity]
    ACTIVITY_COMPACTING: _ClassVar[Activity]
    ACTIVITY_IDLE: _ClassVar[Activity]

class TaskState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_STATE_UNSPECIFIED: _ClassVar[TaskState]
    TASK_STATE_STARTED: _ClassVar[TaskState]
    TASK_STATE_PROGRESS: _ClassVar[TaskState]
    TASK_STATE_COMPLETED: _ClassVar[TaskState]
    TASK_STATE_FAILED: _ClassVar[TaskState]
    TASK_STATE_STOPPED: _ClassVar[TaskState]

class NoticeLevel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NOTICE_LEVEL_UNSPECIFIED: _ClassVar[NoticeLevel]
    NOTICE_LEVEL_INFO: _ClassVar[NoticeLevel]
    NOTICE_LEVEL_SUGGESTION: _ClassVar[NoticeLevel]
    NOTICE_LEVEL_WARNING: _ClassVar[NoticeLevel]
CONVERSATION_SOURCE_UNSPECIFIED: ConversationSource
CONVERSATION_SOURCE_NEW: ConversationSource
CONVERSATION_SOURCE_KEPT: ConversationSource
CONVERSATION_SOURCE_SEEDED: ConversationSource
CONVERSATION_SOURCE_RESUMED: ConversationSource
CLAIM_SOURCE_UNSPECIFIED: ClaimSource
CLAIM_SOURCE_REUSED: ClaimSource
CLAIM_SOURCE_SPARE: ClaimSource
CLAIM_SOURCE_COLD_NO_SPARE: ClaimSource
CLAIM_SOURCE_COLD_POOL_OFF: ClaimSource
BLOCK_KIND_UNSPECIFIED: BlockKind
BLOCK_KIND_TEXT: BlockKind
BLOCK_KIND_THINKING: BlockKind
BLOCK_KIND_REDACTED_THINKING: BlockKind
BLOCK_KIND_TOOL_USE: BlockKind
BLOCK_KIND_SERVER_TOOL_USE: BlockKind
BLOCK_KIND_SERVER_TOOL_RESULT: BlockKind
RETRACTION_CAUSE_UNSPECIFIED: RetractionCause
RETRACTION_CAUSE_STREAM_BROKEN: RetractionCause
RETRACTION_CAUSE_REFUSAL: RetractionCause
ACTIVITY_UNSPECIFIED: Activity
ACTIVITY_REQUESTING: Activity
ACTIVITY_COMPACTING: Activity
ACTIVITY_IDLE: Activity
TASK_STATE_UNSPECIFIED: TaskState
TASK_STATE_STARTED: TaskState
TASK_STATE_PROGRESS: TaskState
TASK_STATE_COMPLETED: TaskState
TASK_STATE_FAILED: TaskState
TASK_STATE_STOPPED: TaskState
NOTICE_LEVEL_UNSPECIFIED: NoticeLevel
NOTICE_LEVEL_INFO: NoticeLevel
NOTICE_LEVEL_SUGGESTION: NoticeLevel
NOTICE_LEVEL_WARNING: NoticeLevel

class Started(_message.Message):
    __slots__ = ("claim_source", "worker_id", "worker_turn_count", "worker_age", "cli_version", "model", "upstream_session_id", "profile", "permission_mode", "tools", "mcp_servers", "capabilities", "api_key_source", "queue_wait", "seeded_message_count", "conversation_source", "session_id")
    CLAIM_SOURCE_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    WORKER_TURN_COUNT_FIELD_NUMBER: _ClassVar[int]
    WORKER_AGE_FIELD_NUMBER: _ClassVar[int]
    CLI_VERSION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    PERMISSION_MODE_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    MCP_SERVERS_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    API_KEY_SOURCE_FIELD_NUMBER: _ClassVar[int]
    QUEUE_WAIT_FIELD_NUMBER: _ClassVar[int]
    SEEDED_MESSAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_SOURCE_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    claim_source: ClaimSource
    worker_id: str
    worker_turn_count: int
    worker_age: _duration_pb2.Duration
    cli_version: str
    model: str
    upstream_session_id: str
    profile: str
    permission_mode: str
    tools: _containers.RepeatedScalarFieldContainer[str]
    mcp_servers: _containers.RepeatedCompositeFieldContainer[McpServer]
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    api_key_source: str
    queue_wait: _duration_pb2.Duration
    seeded_message_count: int
    conversation_source: ConversationSource
    session_id: str
    def __init__(self, claim_source: _Optional[_Union[ClaimSource, str]] = ..., worker_id: _Optional[str] = ..., worker_turn_count: _Optional[int] = ..., worker_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., cli_version: _Optional[str] = ..., model: _Optional[str] = ..., upstream_session_id: _Optional[str] = ..., profile: _Optional[str] = ..., permission_mode: _Optional[str] = ..., tools: _Optional[_Iterable[str]] = ..., mcp_servers: _Optional[_Iterable[_Union[McpServer, _Mapping]]] = ..., capabilities: _Optional[_Iterable[str]] = ..., api_key_source: _Optional[str] = ..., queue_wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., seeded_message_count: _Optional[int] = ..., conversation_source: _Optional[_Union[ConversationSource, str]] = ..., session_id: _Optional[str] = ...) -> None: ...

class McpServer(_message.Message):
    __slots__ = ("name", "status")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    name: str
    status: str
    def __init__(self, name: _Optional[str] = ..., status: _Optional[str] = ...) -> None: ...

class TextDelta(_message.Message):
    __slots__ = ("text", "block_index", "message_index")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    BLOCK_INDEX_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_INDEX_FIELD_NUMBER: _ClassVar[int]
    text: str
    block_index: int
    message_index: int
    def __init__(self, text: _Optional[str] = ..., block_index: _Optional[int] = ..., message_index: _Optional[int] = ...) -> None: ...

class ThinkingDelta(_message.Message):
    __slots__ = ("thinking", "block_index", "message_index")
    THINKING_FIELD_NUMBER: _ClassVar[int]
    BLOCK_INDEX_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_INDEX_FIELD_NUMBER: _ClassVar[int]
    thinking: str
    block_index: int
    message_index: int
    def __init__(self, thinking: _Optional[str] = ..., block_index: _Optional[int] = ..., message_index: _Optional[int] = ...) -> None: ...

class ToolInputDelta(_message.Message):
    __slots__ = ("partial_json", "block_index", "message_index")
    PARTIAL_JSON_FIELD_NUMBER: _ClassVar[int]
    BLOCK_INDEX_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_INDEX_FIELD_NUMBER: _ClassVar[int]
    partial_json: str
    block_index: int
    message_index: int
    def __init__(self, partial_json: _Optional[str] = ..., block_index: _Optional[int] = ..., message_index: _Optional[int] = ...) -> None: ...

class SignatureDelta(_message.Message):
    __slots__ = ("signature", "block_index", "message_index")
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    BLOCK_INDEX_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_INDEX_FIELD_NUMBER: _ClassVar[int]
    signature: str
    block_index: int
    message_index: int
    def __init__(self, signature: _Optional[str] = ..., block_index: _Optional[int] = ..., message_index: _Optional[int] = ...) -> None: ...

class CitationDelta(_message.Message):
    __slots__ = ("citation", "block_index", "message_index")
    CITATION_FIELD_NUMBER: _ClassVar[int]
    BLOCK_INDEX_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_INDEX_FIELD_NUMBER: _ClassVar[int]
    citation: _struct_pb2.Struct
    block_index: int
    message_index: int
    def __init__(self, citation: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., block_index: _Optional[int] = ..., message_index: _Optional[int] = ...) -> None: ...

class BlockStart(_message.Message):
    __slots__ = ("block_index", "message_index", "kind", "raw_kind", "tool_use_id", "tool_name")
    BLOCK_INDEX_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_INDEX_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    RAW_KIND_FIELD_NUMBER: _ClassVar[int]
    TOOL_USE_ID_FIELD_NUMBER: _ClassVar[int]
    TOOL_NAME_FIELD_NUMBER: _ClassVar[int]
    block_index: int
    message_index: int
    kind: BlockKind
    raw_kind: str
    tool_use_id: str
    tool_name: str
    def __init__(self, block_index: _Optional[int] = ..., message_index: _Optional[int] = ..., kind: _Optional[_Union[BlockKind, str]] = ..., raw_kind: _Optional[str] = ..., tool_use_id: _Optional[str] = ..., tool_name: _Optional[str] = ...) -> None: ...

class BlockStop(_message.Message):
    __slots__ = ("block_index", "message_index")
    BLOCK_INDEX_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_INDEX_FIELD_NUMBER: _ClassVar[int]
    block_index: int
    message_index: int
    def __init__(self, block_index: _Optional[int] = ..., message_index: _Optional[int] = ...) -> None: ...

class MessageStart(_message.Message):
    __slots__ = ("message_index", "message_id", "model", "usage", "time_to_first_token")
    MESSAGE_INDEX_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    TIME_TO_FIRST_TOKEN_FIELD_NUMBER: _ClassVar[int]
    message_index: int
    message_id: str
    model: str
    usage: _result_pb2.Usage
    time_to_first_token: _duration_pb2.Duration
    def __init__(self, message_index: _Optional[int] = ..., message_id: _Optional[str] = ..., model: _Optional[str] = ..., usage: _Optional[_Union[_result_pb2.Usage, _Mapping]] = ..., time_to_first_token: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class MessageDelta(_message.Message):
    __slots__ = ("message_index", "stop_reason", "stop_sequence", "usage", "refusal_category", "refusal_explanation")
    MESSAGE_INDEX_FIELD_NUMBER: _ClassVar[int]
    STOP_REASON_FIELD_NUMBER: _ClassVar[int]
    STOP_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_CATEGORY_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    message_index: int
    stop_reason: str
    stop_sequence: str
    usage: _result_pb2.Usage
    refusal_category: str
    refusal_explanation: str
    def __init__(self, message_index: _Optional[int] = ..., stop_reason: _Optional[str] = ..., stop_sequence: _Optional[str] = ..., usage: _Optional[_Union[_result_pb2.Usage, _Mapping]] = ..., refusal_category: _Optional[str] = ..., refusal_explanation: _Optional[str] = ...) -> None: ...

class MessageStop(_message.Message):
    __slots__ = ("message_index",)
    MESSAGE_INDEX_FIELD_NUMBER: _ClassVar[int]
    message_index: int
    def __init__(self, message_index: _Optional[int] = ...) -> None: ...

class Part(_message.Message):
    __slots__ = ("index", "count")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    index: int
    count: int
    def __init__(self, index: _Optional[int] = ..., count: _Optional[int] = ...) -> None: ...

class AssistantBlock(_message.Message):
    __slots__ = ("message_index", "message_id", "model", "text", "thinking", "other", "synthetic", "aborted", "error", "part")
    MESSAGE_INDEX_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    THINKING_FIELD_NUMBER: _ClassVar[int]
    OTHER_FIELD_NUMBER: _ClassVar[int]
    SYNTHETIC_FIELD_NUMBER: _ClassVar[int]
    ABORTED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    message_index: int
    message_id: str
    model: str
    text: TextBlock
    thinking: ThinkingBlock
    other: _struct_pb2.Struct
    synthetic: bool
    aborted: bool
    error: str
    part: Part
    def __init__(self, message_index: _Optional[int] = ..., message_id: _Optional[str] = ..., model: _Optional[str] = ..., text: _Optional[_Union[TextBlock, _Mapping]] = ..., thinking: _Optional[_Union[ThinkingBlock, _Mapping]] = ..., other: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., synthetic: _Optional[bool] = ..., aborted: _Optional[bool] = ..., error: _Optional[str] = ..., part: _Optional[_Union[Part, _Mapping]] = ...) -> None: ...

class TextBlock(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class ThinkingBlock(_message.Message):
    __slots__ = ("thinking", "signature", "redacted_data")
    THINKING_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    REDACTED_DATA_FIELD_NUMBER: _ClassVar[int]
    thinking: str
    signature: str
    redacted_data: str
    def __init__(self, thinking: _Optional[str] = ..., signature: _Optional[str] = ..., redacted_data: _Optional[str] = ...) -> None: ...

class ToolUse(_message.Message):
    __slots__ = ("tool_use_id", "tool_name", "input", "input_json", "message_index", "part", "unparsable")
    TOOL_USE_ID_FIELD_NUMBER: _ClassVar[int]
    TOOL_NAME_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    INPUT_JSON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_INDEX_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    UNPARSABLE_FIELD_NUMBER: _ClassVar[int]
    tool_use_id: str
    tool_name: str
    input: _struct_pb2.Struct
    input_json: str
    message_index: int
    part: Part
    unparsable: bool
    def __init__(self, tool_use_id: _Optional[str] = ..., tool_name: _Optional[str] = ..., input: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., input_json: _Optional[str] = ..., message_index: _Optional[int] = ..., part: _Optional[_Union[Part, _Mapping]] = ..., unparsable: _Optional[bool] = ...) -> None: ...

class ToolResult(_message.Message):
    __slots__ = ("tool_use_id", "is_error", "content", "bash", "file_read", "file_change", "agent", "other", "permission_decision", "permission_source", "non_execution_kind", "elided_bytes", "part")
    TOOL_USE_ID_FIELD_NUMBER: _ClassVar[int]
    IS_ERROR_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    BASH_FIELD_NUMBER: _ClassVar[int]
    FILE_READ_FIELD_NUMBER: _ClassVar[int]
    FILE_CHANGE_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    OTHER_FIELD_NUMBER: _ClassVar[int]
    PERMISSION_DECISION_FIELD_NUMBER: _ClassVar[int]
    PERMISSION_SOURCE_FIELD_NUMBER: _ClassVar[int]
    NON_EXECUTION_KIND_FIELD_NUMBER: _ClassVar[int]
    ELIDED_BYTES_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    tool_use_id: str
    is_error: bool
    content: _containers.RepeatedCompositeFieldContainer[ToolResultContent]
    bash: BashOutput
    file_read: FileReadOutput
    file_change: FileChangeOutput
    agent: AgentOutput
    other: _struct_pb2.Value
    permission_decision: str
    permission_source: str
    non_execution_kind: str
    elided_bytes: int
    part: Part
    def __init__(self, tool_use_id: _Optional[str] = ..., is_error: _Optional[bool] = ..., content: _Optional[_Iterable[_Union[ToolResultContent, _Mapping]]] = ..., bash: _Optional[_Union[BashOutput, _Mapping]] = ..., file_read: _Optional[_Union[FileReadOutput, _Mapping]] = ..., file_change: _Optional[_Union[FileChangeOutput, _Mapping]] = ..., agent: _Optional[_Union[AgentOutput, _Mapping]] = ..., other: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., permission_decision: _Optional[str] = ..., permission_source: _Optional[str] = ..., non_execution_kind: _Optional[str] = ..., elided_bytes: _Optional[int] = ..., part: _Optional[_Union[Part, _Mapping]] = ...) -> None: ...

class ToolResultContent(_message.Message):
    __slots__ = ("text", "media", "other")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    OTHER_FIELD_NUMBER: _ClassVar[int]
    text: str
    media: MediaContent
    other: _struct_pb2.Struct
    def __init__(self, text: _Optional[str] = ..., media: _Optional[_Union[MediaContent, _Mapping]] = ..., other: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class MediaContent(_message.Message):
    __slots__ = ("media_type", "size_bytes")
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    media_type: str
    size_bytes: int
    def __init__(self, media_type: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class BashOutput(_message.Message):
    __slots__ = ("stdout", "stderr", "interrupted", "is_image", "background_task_id", "persisted_size_bytes")
    STDOUT_FIELD_NUMBER: _ClassVar[int]
    STDERR_FIELD_NUMBER: _ClassVar[int]
    INTERRUPTED_FIELD_NUMBER: _ClassVar[int]
    IS_IMAGE_FIELD_NUMBER: _ClassVar[int]
    BACKGROUND_TASK_ID_FIELD_NUMBER: _ClassVar[int]
    PERSISTED_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    stdout: str
    stderr: str
    interrupted: bool
    is_image: bool
    background_task_id: str
    persisted_size_bytes: int
    def __init__(self, stdout: _Optional[str] = ..., stderr: _Optional[str] = ..., interrupted: _Optional[bool] = ..., is_image: _Optional[bool] = ..., background_task_id: _Optional[str] = ..., persisted_size_bytes: _Optional[int] = ...) -> None: ...

class FileReadOutput(_message.Message):
    __slots__ = ("path", "start_line", "line_count", "total_line_count", "kind")
    PATH_FIELD_NUMBER: _ClassVar[int]
    START_LINE_FIELD_NUMBER: _ClassVar[int]
    LINE_COUNT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_LINE_COUNT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    path: str
    start_line: int
    line_count: int
    total_line_count: int
    kind: str
    def __init__(self, path: _Optional[str] = ..., start_line: _Optional[int] = ..., line_count: _Optional[int] = ..., total_line_count: _Optional[int] = ..., kind: _Optional[str] = ...) -> None: ...

class FileChangeOutput(_message.Message):
    __slots__ = ("path", "created", "hunks")
    PATH_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    HUNKS_FIELD_NUMBER: _ClassVar[int]
    path: str
    created: bool
    hunks: _containers.RepeatedCompositeFieldContainer[Hunk]
    def __init__(self, path: _Optional[str] = ..., created: _Optional[bool] = ..., hunks: _Optional[_Iterable[_Union[Hunk, _Mapping]]] = ...) -> None: ...

class Hunk(_message.Message):
    __slots__ = ("old_start_line", "old_line_count", "new_start_line", "new_line_count", "lines")
    OLD_START_LINE_FIELD_NUMBER: _ClassVar[int]
    OLD_LINE_COUNT_FIELD_NUMBER: _ClassVar[int]
    NEW_START_LINE_FIELD_NUMBER: _ClassVar[int]
    NEW_LINE_COUNT_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    old_start_line: int
    old_line_count: int
    new_start_line: int
    new_line_count: int
    lines: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, old_start_line: _Optional[int] = ..., old_line_count: _Optional[int] = ..., new_start_line: _Optional[int] = ..., new_line_count: _Optional[int] = ..., lines: _Optional[_Iterable[str]] = ...) -> None: ...

class AgentOutput(_message.Message):
    __slots__ = ("report", "agent_id", "total_token_count", "tool_use_count", "duration")
    REPORT_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    TOOL_USE_COUNT_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    report: str
    agent_id: str
    total_token_count: int
    tool_use_count: int
    duration: _duration_pb2.Duration
    def __init__(self, report: _Optional[str] = ..., agent_id: _Optional[str] = ..., total_token_count: _Optional[int] = ..., tool_use_count: _Optional[int] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("elapsed",)
    ELAPSED_FIELD_NUMBER: _ClassVar[int]
    elapsed: _duration_pb2.Duration
    def __init__(self, elapsed: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Retracted(_message.Message):
    __slots__ = ("message_index", "from_block_index", "message_id", "text_bytes", "cause")
    MESSAGE_INDEX_FIELD_NUMBER: _ClassVar[int]
    FROM_BLOCK_INDEX_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_BYTES_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    message_index: int
    from_block_index: int
    message_id: str
    text_bytes: int
    cause: RetractionCause
    def __init__(self, message_index: _Optional[int] = ..., from_block_index: _Optional[int] = ..., message_id: _Optional[str] = ..., text_bytes: _Optional[int] = ..., cause: _Optional[_Union[RetractionCause, str]] = ...) -> None: ...

class Status(_message.Message):
    __slots__ = ("activity", "raw_activity", "permission_mode", "compact_result", "compact_error")
    ACTIVITY_FIELD_NUMBER: _ClassVar[int]
    RAW_ACTIVITY_FIELD_NUMBER: _ClassVar[int]
    PERMISSION_MODE_FIELD_NUMBER: _ClassVar[int]
    COMPACT_RESULT_FIELD_NUMBER: _ClassVar[int]
    COMPACT_ERROR_FIELD_NUMBER: _ClassVar[int]
    activity: Activity
    raw_activity: str
    permission_mode: str
    compact_result: str
    compact_error: str
    def __init__(self, activity: _Optional[_Union[Activity, str]] = ..., raw_activity: _Optional[str] = ..., permission_mode: _Optional[str] = ..., compact_result: _Optional[str] = ..., compact_error: _Optional[str] = ...) -> None: ...

class ApiRetry(_message.Message):
    __slots__ = ("attempt", "max_attempt_count", "delay", "http_status", "error")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    MAX_ATTEMPT_COUNT_FIELD_NUMBER: _ClassVar[int]
    DELAY_FIELD_NUMBER: _ClassVar[int]
    HTTP_STATUS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    attempt: int
    max_attempt_count: int
    delay: _duration_pb2.Duration
    http_status: int
    error: str
    def __init__(self, attempt: _Optional[int] = ..., max_attempt_count: _Optional[int] = ..., delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., http_status: _Optional[int] = ..., error: _Optional[str] = ...) -> None: ...

class RateLimit(_message.Message):
    __slots__ = ("status", "reset_time", "window", "utilization", "using_overage")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    RESET_TIME_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    UTILIZATION_FIELD_NUMBER: _ClassVar[int]
    USING_OVERAGE_FIELD_NUMBER: _ClassVar[int]
    status: str
    reset_time: _timestamp_pb2.Timestamp
    window: str
    utilization: float
    using_overage: bool
    def __init__(self, status: _Optional[str] = ..., reset_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., window: _Optional[str] = ..., utilization: _Optional[float] = ..., using_overage: _Optional[bool] = ...) -> None: ...

class ModelSwitched(_message.Message):
    __slots__ = ("trigger", "from_model", "to_model", "refusal_category", "refusal_explanation")
    TRIGGER_FIELD_NUMBER: _ClassVar[int]
    FROM_MODEL_FIELD_NUMBER: _ClassVar[int]
    TO_MODEL_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_CATEGORY_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    trigger: str
    from_model: str
    to_model: str
    refusal_category: str
    refusal_explanation: str
    def __init__(self, trigger: _Optional[str] = ..., from_model: _Optional[str] = ..., to_model: _Optional[str] = ..., refusal_category: _Optional[str] = ..., refusal_explanation: _Optional[str] = ...) -> None: ...

class Compacted(_message.Message):
    __slots__ = ("trigger", "tokens_before_count", "tokens_after_count")
    TRIGGER_FIELD_NUMBER: _ClassVar[int]
    TOKENS_BEFORE_COUNT_FIELD_NUMBER: _ClassVar[int]
    TOKENS_AFTER_COUNT_FIELD_NUMBER: _ClassVar[int]
    trigger: str
    tokens_before_count: int
    tokens_after_count: int
    def __init__(self, trigger: _Optional[str] = ..., tokens_before_count: _Optional[int] = ..., tokens_after_count: _Optional[int] = ...) -> None: ...

class PermissionDenied(_message.Message):
    __slots__ = ("tool_name", "tool_use_id", "message", "reason_type", "reason")
    TOOL_NAME_FIELD_NUMBER: _ClassVar[int]
    TOOL_USE_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_TYPE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    tool_name: str
    tool_use_id: str
    message: str
    reason_type: str
    reason: str
    def __init__(self, tool_name: _Optional[str] = ..., tool_use_id: _Optional[str] = ..., message: _Optional[str] = ..., reason_type: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class TaskEvent(_message.Message):
    __slots__ = ("task_id", "tool_use_id", "state", "description", "task_type", "subagent_type", "total_token_count", "tool_use_count", "duration", "last_tool_name", "summary", "is_backgrounded")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    TOOL_USE_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    TASK_TYPE_FIELD_NUMBER: _ClassVar[int]
    SUBAGENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    TOOL_USE_COUNT_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    LAST_TOOL_NAME_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    IS_BACKGROUNDED_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    tool_use_id: str
    state: TaskState
    description: str
    task_type: str
    subagent_type: str
    total_token_count: int
    tool_use_count: int
    duration: _duration_pb2.Duration
    last_tool_name: str
    summary: str
    is_backgrounded: bool
    def __init__(self, task_id: _Optional[str] = ..., tool_use_id: _Optional[str] = ..., state: _Optional[_Union[TaskState, str]] = ..., description: _Optional[str] = ..., task_type: _Optional[str] = ..., subagent_type: _Optional[str] = ..., total_token_count: _Optional[int] = ..., tool_use_count: _Optional[int] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., last_tool_name: _Optional[str] = ..., summary: _Optional[str] = ..., is_backgrounded: _Optional[bool] = ...) -> None: ...

class ToolProgress(_message.Message):
    __slots__ = ("tool_use_id", "tool_name", "elapsed")
    TOOL_USE_ID_FIELD_NUMBER: _ClassVar[int]
    TOOL_NAME_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_FIELD_NUMBER: _ClassVar[int]
    tool_use_id: str
    tool_name: str
    elapsed: _duration_pb2.Duration
    def __init__(self, tool_use_id: _Optional[str] = ..., tool_name: _Optional[str] = ..., elapsed: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class BackgroundTasks(_message.Message):
    __slots__ = ("task_ids",)
    TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    task_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, task_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class Notice(_message.Message):
    __slots__ = ("level", "kind", "text", "part")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    level: NoticeLevel
    kind: str
    text: str
    part: Part
    def __init__(self, level: _Optional[_Union[NoticeLevel, str]] = ..., kind: _Optional[str] = ..., text: _Optional[str] = ..., part: _Optional[_Union[Part, _Mapping]] = ...) -> None: ...

class SyntheticPrompt(_message.Message):
    __slots__ = ("text", "part")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    text: str
    part: Part
    def __init__(self, text: _Optional[str] = ..., part: _Optional[_Union[Part, _Mapping]] = ...) -> None: ...

class HookEvent(_message.Message):
    __slots__ = ("hook_name", "hook_event", "phase", "outcome", "exit_code")
    HOOK_NAME_FIELD_NUMBER: _ClassVar[int]
    HOOK_EVENT_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    hook_name: str
    hook_event: str
    phase: str
    outcome: str
    exit_code: int
    def __init__(self, hook_name: _Optional[str] = ..., hook_event: _Optional[str] = ..., phase: _Optional[str] = ..., outcome: _Optional[str] = ..., exit_code: _Optional[int] = ...) -> None: ...

class ThinkingProgress(_message.Message):
    __slots__ = ("estimated_token_count",)
    ESTIMATED_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    estimated_token_count: int
    def __init__(self, estimated_token_count: _Optional[int] = ...) -> None: ...

class Gap(_message.Message):
    __slots__ = ("first_sequence", "last_sequence")
    FIRST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    first_sequence: int
    last_sequence: int
    def __init__(self, first_sequence: _Optional[int] = ..., last_sequence: _Optional[int] = ...) -> None: ...

class UnknownEvent(_message.Message):
    __slots__ = ("kind", "continues_raw_json")
    KIND_FIELD_NUMBER: _ClassVar[int]
    CONTINUES_RAW_JSON_FIELD_NUMBER: _ClassVar[int]
    kind: str
    continues_raw_json: bool
    def __init__(self, kind: _Optional[str] = ..., continues_raw_json: _Optional[bool] = ...) -> None: ...

class RawJson(_message.Message):
    __slots__ = ("json", "offset_bytes", "total_bytes")
    JSON_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    json: str
    offset_bytes: int
    total_bytes: int
    def __init__(self, json: _Optional[str] = ..., offset_bytes: _Optional[int] = ..., total_bytes: _Optional[int] = ...) -> None: ...
