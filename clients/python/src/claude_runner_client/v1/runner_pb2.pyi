import datetime

from . import event_pb2 as _event_pb2
from . import result_pb2 as _result_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StorageKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STORAGE_KIND_UNSPECIFIED: _ClassVar[StorageKind]
    STORAGE_KIND_MEMORY: _ClassVar[StorageKind]
    STORAGE_KIND_SQLITE: _ClassVar[StorageKind]

class RetainedKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RETAINED_KIND_UNSPECIFIED: _ClassVar[RetainedKind]
    RETAINED_KIND_TURN_RECORD: _ClassVar[RetainedKind]
    RETAINED_KIND_TURN_EVENTS: _ClassVar[RetainedKind]
    RETAINED_KIND_DETACHED_TURN_EVENTS: _ClassVar[RetainedKind]
    RETAINED_KIND_REQUEST_RESULT: _ClassVar[RetainedKind]
    RETAINED_KIND_SESSION: _ClassVar[RetainedKind]

class BusyPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BUSY_POLICY_UNSPECIFIED: _ClassVar[BusyPolicy]
    BUSY_POLICY_REJECT: _ClassVar[BusyPolicy]
    BUSY_POLICY_QUEUE: _ClassVar[BusyPolicy]
    BUSY_POLICY_INTERRUPT: _ClassVar[BusyPolicy]

class OnDisconnect(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ON_DISCONNECT_UNSPECIFIED: _ClassVar[OnDisconnect]
    ON_DISCONNECT_CANCEL: _ClassVar[OnDisconnect]
    ON_DISCONNECT_CONTINUE: _ClassVar[OnDisconnect]

class Effort(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EFFORT_UNSPECIFIED: _ClassVar[Effort]
    EFFORT_LOW: _ClassVar[Effort]
    EFFORT_MEDIUM: _ClassVar[Effort]
    EFFORT_HIGH: _ClassVar[Effort]
    EFFORT_XHIGH: _ClassVar[Effort]
    EFFORT_MAX: _ClassVar[Effort]

class Detail(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DETAIL_UNSPECIFIED: _ClassVar[Detail]
    DETAIL_TEXT: _ClassVar[Detail]
    DETAIL_STANDARD: _ClassVar[Detail]
    DETAIL_FULL: _ClassVar[Detail]

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_UNSPECIFIED: _ClassVar[Role]
    ROLE_USER: _ClassVar[Role]
    ROLE_ASSISTANT: _ClassVar[Role]

class SystemPromptPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SYSTEM_PROMPT_POLICY_UNSPECIFIED: _ClassVar[SystemPromptPolicy]
    SYSTEM_PROMPT_POLICY_FIXED: _ClassVar[SystemPromptPolicy]
    SYSTEM_PROMPT_POLICY_APPEND: _ClassVar[SystemPromptPolicy]
    SYSTEM_PROMPT_POLICY_REPLACE: _ClassVar[SystemPromptPolicy]
STORAGE_KIND_UNSPECIFIED: StorageKind
STORAGE_KIND_MEMORY: StorageKind
STORAGE_KIND_SQLITE: StorageKind
RETAINED_KIND_UNSPECIFIED: RetainedKind
RETAINED_KIND_TURN_RECORD: RetainedKind
RETAINED_KIND_TURN_EVENTS: RetainedKind
RETAINED_KIND_DETACHED_TURN_EVENTS: RetainedKind
RETAINED_KIND_REQUEST_RESULT: RetainedKind
RETAINED_KIND_SESSION: RetainedKind
BUSY_POLICY_UNSPECIFIED: BusyPolicy
BUSY_POLICY_REJECT: BusyPolicy
BUSY_POLICY_QUEUE: BusyPolicy
BUSY_POLICY_INTERRUPT: BusyPolicy
ON_DISCONNECT_UNSPECIFIED: OnDisconnect
ON_DISCONNECT_CANCEL: OnDisconnect
ON_DISCONNECT_CONTINUE: OnDisconnect
EFFORT_UNSPECIFIED: Effort
EFFORT_LOW: Effort
EFFORT_MEDIUM: Effort
EFFORT_HIGH: Effort
EFFORT_XHIGH: Effort
EFFORT_MAX: Effort
DETAIL_UNSPECIFIED: Detail
DETAIL_TEXT: Detail
DETAIL_STANDARD: Detail
DETAIL_FULL: Detail
ROLE_UNSPECIFIED: Role
ROLE_USER: Role
ROLE_ASSISTANT: Role
SYSTEM_PROMPT_POLICY_UNSPECIFIED: SystemPromptPolicy
SYSTEM_PROMPT_POLICY_FIXED: SystemPromptPolicy
SYSTEM_PROMPT_POLICY_APPEND: SystemPromptPolicy
SYSTEM_PROMPT_POLICY_REPLACE: SystemPromptPolicy

class StreamChatRequest(_message.Message):
    __slots__ = ("profile", "prompt", "content", "history", "system_prompt", "model", "effort", "output_schema_json", "limits", "detail", "labels", "session", "busy_policy", "on_disconnect", "request_id")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_PROMPT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    EFFORT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_SCHEMA_JSON_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    BUSY_POLICY_FIELD_NUMBER: _ClassVar[int]
    ON_DISCONNECT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    profile: str
    prompt: str
    content: _containers.RepeatedCompositeFieldContainer[ContentBlock]
    history: _containers.RepeatedCompositeFieldContainer[HistoryMessage]
    system_prompt: str
    model: str
    effort: Effort
    output_schema_json: str
    limits: TurnLimits
    detail: Detail
    labels: _containers.ScalarMap[str, str]
    session: SessionRef
    busy_policy: BusyPolicy
    on_disconnect: OnDisconnect
    request_id: str
    def __init__(self, profile: _Optional[str] = ..., prompt: _Optional[str] = ..., content: _Optional[_Iterable[_Union[ContentBlock, _Mapping]]] = ..., history: _Optional[_Iterable[_Union[HistoryMessage, _Mapping]]] = ..., system_prompt: _Optional[str] = ..., model: _Optional[str] = ..., effort: _Optional[_Union[Effort, str]] = ..., output_schema_json: _Optional[str] = ..., limits: _Optional[_Union[TurnLimits, _Mapping]] = ..., detail: _Optional[_Union[Detail, str]] = ..., labels: _Optional[_Mapping[str, str]] = ..., session: _Optional[_Union[SessionRef, _Mapping]] = ..., busy_policy: _Optional[_Union[BusyPolicy, str]] = ..., on_disconnect: _Optional[_Union[OnDisconnect, str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class StreamChatResponse(_message.Message):
    __slots__ = ("sequence", "create_time", "turn_id", "parent_tool_use_id", "text_delta", "thinking_delta", "tool_input_delta", "block_start", "block_stop", "message_start", "message_delta", "message_stop", "assistant_block", "tool_use", "tool_result", "started", "result", "heartbeat", "retracted", "status", "api_retry", "rate_limit", "model_switched", "compacted", "permission_denied", "task", "tool_progress", "background_tasks", "notice", "synthetic_prompt", "hook", "thinking_progress", "signature_delta", "citation_delta", "gap", "unknown", "raw_json")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    TURN_ID_FIELD_NUMBER: _ClassVar[int]
    PARENT_TOOL_USE_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_DELTA_FIELD_NUMBER: _ClassVar[int]
    THINKING_DELTA_FIELD_NUMBER: _ClassVar[int]
    TOOL_INPUT_DELTA_FIELD_NUMBER: _ClassVar[int]
    BLOCK_START_FIELD_NUMBER: _ClassVar[int]
    BLOCK_STOP_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_START_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_DELTA_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_STOP_FIELD_NUMBER: _ClassVar[int]
    ASSISTANT_BLOCK_FIELD_NUMBER: _ClassVar[int]
    TOOL_USE_FIELD_NUMBER: _ClassVar[int]
    TOOL_RESULT_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    RETRACTED_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    API_RETRY_FIELD_NUMBER: _ClassVar[int]
    RATE_LIMIT_FIELD_NUMBER: _ClassVar[int]
    MODEL_SWITCHED_FIELD_NUMBER: _ClassVar[int]
    COMPACTED_FIELD_NUMBER: _ClassVar[int]
    PERMISSION_DENIED_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    TOOL_PROGRESS_FIELD_NUMBER: _ClassVar[int]
    BACKGROUND_TASKS_FIELD_NUMBER: _ClassVar[int]
    NOTICE_FIELD_NUMBER: _ClassVar[int]
    SYNTHETIC_PROMPT_FIELD_NUMBER: _ClassVar[int]
    HOOK_FIELD_NUMBER: _ClassVar[int]
    THINKING_PROGRESS_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_DELTA_FIELD_NUMBER: _ClassVar[int]
    CITATION_DELTA_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    RAW_JSON_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    create_time: _timestamp_pb2.Timestamp
    turn_id: str
    parent_tool_use_id: str
    text_delta: _event_pb2.TextDelta
    thinking_delta: _event_pb2.ThinkingDelta
    tool_input_delta: _event_pb2.ToolInputDelta
    block_start: _event_pb2.BlockStart
    block_stop: _event_pb2.BlockStop
    message_start: _event_pb2.MessageStart
    message_delta: _event_pb2.MessageDelta
    message_stop: _event_pb2.MessageStop
    assistant_block: _event_pb2.AssistantBlock
    tool_use: _event_pb2.ToolUse
    tool_result: _event_pb2.ToolResult
    started: _event_pb2.Started
    result: _result_pb2.TurnResult
    heartbeat: _event_pb2.Heartbeat
    retracted: _event_pb2.Retracted
    status: _event_pb2.Status
    api_retry: _event_pb2.ApiRetry
    rate_limit: _event_pb2.RateLimit
    model_switched: _event_pb2.ModelSwitched
    compacted: _event_pb2.Compacted
    permission_denied: _event_pb2.PermissionDenied
    task: _event_pb2.TaskEvent
    tool_progress: _event_pb2.ToolProgress
    background_tasks: _event_pb2.BackgroundTasks
    notice: _event_pb2.Notice
    synthetic_prompt: _event_pb2.SyntheticPrompt
    hook: _event_pb2.HookEvent
    thinking_progress: _event_pb2.ThinkingProgress
    signature_delta: _event_pb2.SignatureDelta
    citation_delta: _event_pb2.CitationDelta
    gap: _event_pb2.Gap
    unknown: _event_pb2.UnknownEvent
    raw_json: _event_pb2.RawJson
    def __init__(self, sequence: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., turn_id: _Optional[str] = ..., parent_tool_use_id: _Optional[str] = ..., text_delta: _Optional[_Union[_event_pb2.TextDelta, _Mapping]] = ..., thinking_delta: _Optional[_Union[_event_pb2.ThinkingDelta, _Mapping]] = ..., tool_input_delta: _Optional[_Union[_event_pb2.ToolInputDelta, _Mapping]] = ..., block_start: _Optional[_Union[_event_pb2.BlockStart, _Mapping]] = ..., block_stop: _Optional[_Union[_event_pb2.BlockStop, _Mapping]] = ..., message_start: _Optional[_Union[_event_pb2.MessageStart, _Mapping]] = ..., message_delta: _Optional[_Union[_event_pb2.MessageDelta, _Mapping]] = ..., message_stop: _Optional[_Union[_event_pb2.MessageStop, _Mapping]] = ..., assistant_block: _Optional[_Union[_event_pb2.AssistantBlock, _Mapping]] = ..., tool_use: _Optional[_Union[_event_pb2.ToolUse, _Mapping]] = ..., tool_result: _Optional[_Union[_event_pb2.ToolResult, _Mapping]] = ..., started: _Optional[_Union[_event_pb2.Started, _Mapping]] = ..., result: _Optional[_Union[_result_pb2.TurnResult, _Mapping]] = ..., heartbeat: _Optional[_Union[_event_pb2.Heartbeat, _Mapping]] = ..., retracted: _Optional[_Union[_event_pb2.Retracted, _Mapping]] = ..., status: _Optional[_Union[_event_pb2.Status, _Mapping]] = ..., api_retry: _Optional[_Union[_event_pb2.ApiRetry, _Mapping]] = ..., rate_limit: _Optional[_Union[_event_pb2.RateLimit, _Mapping]] = ..., model_switched: _Optional[_Union[_event_pb2.ModelSwitched, _Mapping]] = ..., compacted: _Optional[_Union[_event_pb2.Compacted, _Mapping]] = ..., permission_denied: _Optional[_Union[_event_pb2.PermissionDenied, _Mapping]] = ..., task: _Optional[_Union[_event_pb2.TaskEvent, _Mapping]] = ..., tool_progress: _Optional[_Union[_event_pb2.ToolProgress, _Mapping]] = ..., background_tasks: _Optional[_Union[_event_pb2.BackgroundTasks, _Mapping]] = ..., notice: _Optional[_Union[_event_pb2.Notice, _Mapping]] = ..., synthetic_prompt: _Optional[_Union[_event_pb2.SyntheticPrompt, _Mapping]] = ..., hook: _Optional[_Union[_event_pb2.HookEvent, _Mapping]] = ..., thinking_progress: _Optional[_Union[_event_pb2.ThinkingProgress, _Mapping]] = ..., signature_delta: _Optional[_Union[_event_pb2.SignatureDelta, _Mapping]] = ..., citation_delta: _Optional[_Union[_event_pb2.CitationDelta, _Mapping]] = ..., gap: _Optional[_Union[_event_pb2.Gap, _Mapping]] = ..., unknown: _Optional[_Union[_event_pb2.UnknownEvent, _Mapping]] = ..., raw_json: _Optional[_Union[_event_pb2.RawJson, _Mapping]] = ...) -> None: ...

class ChatRequest(_message.Message):
    __slots__ = ("profile", "prompt", "content", "history", "system_prompt", "model", "effort", "output_schema_json", "limits", "labels", "session", "busy_policy", "on_disconnect", "request_id")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_PROMPT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    EFFORT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_SCHEMA_JSON_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    BUSY_POLICY_FIELD_NUMBER: _ClassVar[int]
    ON_DISCONNECT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    profile: str
    prompt: str
    content: _containers.RepeatedCompositeFieldContainer[ContentBlock]
    history: _containers.RepeatedCompositeFieldContainer[HistoryMessage]
    system_prompt: str
    model: str
    effort: Effort
    output_schema_json: str
    limits: TurnLimits
    labels: _containers.ScalarMap[str, str]
    session: SessionRef
    busy_policy: BusyPolicy
    on_disconnect: OnDisconnect
    request_id: str
    def __init__(self, profile: _Optional[str] = ..., prompt: _Optional[str] = ..., content: _Optional[_Iterable[_Union[ContentBlock, _Mapping]]] = ..., history: _Optional[_Iterable[_Union[HistoryMessage, _Mapping]]] = ..., system_prompt: _Optional[str] = ..., model: _Optional[str] = ..., effort: _Optional[_Union[Effort, str]] = ..., output_schema_json: _Optional[str] = ..., limits: _Optional[_Union[TurnLimits, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ..., session: _Optional[_Union[SessionRef, _Mapping]] = ..., busy_policy: _Optional[_Union[BusyPolicy, str]] = ..., on_disconnect: _Optional[_Union[OnDisconnect, str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class ChatResponse(_message.Message):
    __slots__ = ("turn_id", "text", "started", "result", "tool_uses")
    TURN_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    TOOL_USES_FIELD_NUMBER: _ClassVar[int]
    turn_id: str
    text: str
    started: _event_pb2.Started
    result: _result_pb2.TurnResult
    tool_uses: _containers.RepeatedCompositeFieldContainer[_event_pb2.ToolUse]
    def __init__(self, turn_id: _Optional[str] = ..., text: _Optional[str] = ..., started: _Optional[_Union[_event_pb2.Started, _Mapping]] = ..., result: _Optional[_Union[_result_pb2.TurnResult, _Mapping]] = ..., tool_uses: _Optional[_Iterable[_Union[_event_pb2.ToolUse, _Mapping]]] = ...) -> None: ...

class GetInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetInfoResponse(_message.Message):
    __slots__ = ("server_version", "cli_version", "tenant", "profiles", "max_turns_in_flight_count", "max_timeout", "default_timeout", "storage")
    SERVER_VERSION_FIELD_NUMBER: _ClassVar[int]
    CLI_VERSION_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    PROFILES_FIELD_NUMBER: _ClassVar[int]
    MAX_TURNS_IN_FLIGHT_COUNT_FIELD_NUMBER: _ClassVar[int]
    MAX_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    STORAGE_FIELD_NUMBER: _ClassVar[int]
    server_version: str
    cli_version: str
    tenant: str
    profiles: _containers.RepeatedCompositeFieldContainer[ProfileInfo]
    max_turns_in_flight_count: int
    max_timeout: _duration_pb2.Duration
    default_timeout: _duration_pb2.Duration
    storage: StorageInfo
    def __init__(self, server_version: _Optional[str] = ..., cli_version: _Optional[str] = ..., tenant: _Optional[str] = ..., profiles: _Optional[_Iterable[_Union[ProfileInfo, _Mapping]]] = ..., max_turns_in_flight_count: _Optional[int] = ..., max_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., default_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., storage: _Optional[_Union[StorageInfo, _Mapping]] = ...) -> None: ...

class StorageInfo(_message.Message):
    __slots__ = ("kind", "problem", "retained")
    KIND_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    RETAINED_FIELD_NUMBER: _ClassVar[int]
    kind: StorageKind
    problem: str
    retained: _containers.RepeatedCompositeFieldContainer[RetainedData]
    def __init__(self, kind: _Optional[_Union[StorageKind, str]] = ..., problem: _Optional[str] = ..., retained: _Optional[_Iterable[_Union[RetainedData, _Mapping]]] = ...) -> None: ...

class RetainedData(_message.Message):
    __slots__ = ("kind", "on_disk", "retention")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ON_DISK_FIELD_NUMBER: _ClassVar[int]
    RETENTION_FIELD_NUMBER: _ClassVar[int]
    kind: RetainedKind
    on_disk: bool
    retention: _duration_pb2.Duration
    def __init__(self, kind: _Optional[_Union[RetainedKind, str]] = ..., on_disk: _Optional[bool] = ..., retention: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ProfileInfo(_message.Message):
    __slots__ = ("name", "description", "default_model", "allowed_models", "system_prompt_policy", "tools", "default_limits", "max_limits", "reuses_workers", "keeps_content", "has_tool_sessions")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_MODEL_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_MODELS_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_PROMPT_POLICY_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_LIMITS_FIELD_NUMBER: _ClassVar[int]
    MAX_LIMITS_FIELD_NUMBER: _ClassVar[int]
    REUSES_WORKERS_FIELD_NUMBER: _ClassVar[int]
    KEEPS_CONTENT_FIELD_NUMBER: _ClassVar[int]
    HAS_TOOL_SESSIONS_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    default_model: str
    allowed_models: _containers.RepeatedScalarFieldContainer[str]
    system_prompt_policy: SystemPromptPolicy
    tools: _containers.RepeatedScalarFieldContainer[str]
    default_limits: TurnLimits
    max_limits: TurnLimits
    reuses_workers: bool
    keeps_content: bool
    has_tool_sessions: bool
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., default_model: _Optional[str] = ..., allowed_models: _Optional[_Iterable[str]] = ..., system_prompt_policy: _Optional[_Union[SystemPromptPolicy, str]] = ..., tools: _Optional[_Iterable[str]] = ..., default_limits: _Optional[_Union[TurnLimits, _Mapping]] = ..., max_limits: _Optional[_Union[TurnLimits, _Mapping]] = ..., reuses_workers: _Optional[bool] = ..., keeps_content: _Optional[bool] = ..., has_tool_sessions: _Optional[bool] = ...) -> None: ...

class SessionRef(_message.Message):
    __slots__ = ("id", "allow_missing", "title", "labels", "idle_expiry")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    ALLOW_MISSING_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    IDLE_EXPIRY_FIELD_NUMBER: _ClassVar[int]
    id: str
    allow_missing: bool
    title: str
    labels: _containers.ScalarMap[str, str]
    idle_expiry: _duration_pb2.Duration
    def __init__(self, id: _Optional[str] = ..., allow_missing: _Optional[bool] = ..., title: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., idle_expiry: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ContentBlock(_message.Message):
    __slots__ = ("text", "image", "document")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    text: str
    image: ImageBlock
    document: DocumentBlock
    def __init__(self, text: _Optional[str] = ..., image: _Optional[_Union[ImageBlock, _Mapping]] = ..., document: _Optional[_Union[DocumentBlock, _Mapping]] = ...) -> None: ...

class ImageBlock(_message.Message):
    __slots__ = ("media_type", "data")
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    media_type: str
    data: bytes
    def __init__(self, media_type: _Optional[str] = ..., data: _Optional[bytes] = ...) -> None: ...

class DocumentBlock(_message.Message):
    __slots__ = ("pdf", "text", "title")
    PDF_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    pdf: bytes
    text: str
    title: str
    def __init__(self, pdf: _Optional[bytes] = ..., text: _Optional[str] = ..., title: _Optional[str] = ...) -> None: ...

class HistoryMessage(_message.Message):
    __slots__ = ("role", "text")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    role: Role
    text: str
    def __init__(self, role: _Optional[_Union[Role, str]] = ..., text: _Optional[str] = ...) -> None: ...

class TurnLimits(_message.Message):
    __slots__ = ("max_model_call_count", "max_cost_usd_micros", "max_output_bytes", "max_duration")
    MAX_MODEL_CALL_COUNT_FIELD_NUMBER: _ClassVar[int]
    MAX_COST_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTPUT_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_DURATION_FIELD_NUMBER: _ClassVar[int]
    max_model_call_count: int
    max_cost_usd_micros: int
    max_output_bytes: int
    max_duration: _duration_pb2.Duration
    def __init__(self, max_model_call_count: _Optional[int] = ..., max_cost_usd_micros: _Optional[int] = ..., max_output_bytes: _Optional[int] = ..., max_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
