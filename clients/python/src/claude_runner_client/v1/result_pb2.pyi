import datetime

from . import error_pb2 as _error_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_COMPLETED: _ClassVar[Outcome]
    OUTCOME_REFUSED: _ClassVar[Outcome]
    OUTCOME_MAX_OUTPUT_TOKENS: _ClassVar[Outcome]
    OUTCOME_CONTEXT_WINDOW: _ClassVar[Outcome]
    OUTCOME_MODEL_CALL_LIMIT: _ClassVar[Outcome]
    OUTCOME_COST_LIMIT: _ClassVar[Outcome]
    OUTCOME_OUTPUT_LIMIT: _ClassVar[Outcome]
    OUTCOME_DURATION_LIMIT: _ClassVar[Outcome]
    OUTCOME_STRUCTURED_OUTPUT_FAILED: _ClassVar[Outcome]
    OUTCOME_BLOCKED_BY_HOOK: _ClassVar[Outcome]
    OUTCOME_CANCELLED: _ClassVar[Outcome]
    OUTCOME_DEADLINE_EXCEEDED: _ClassVar[Outcome]
    OUTCOME_UPSTREAM_ERROR: _ClassVar[Outcome]
    OUTCOME_WORKER_DIED: _ClassVar[Outcome]
    OUTCOME_DRAINED: _ClassVar[Outcome]
    OUTCOME_CLIENT_STALLED: _ClassVar[Outcome]
    OUTCOME_INTERNAL_ERROR: _ClassVar[Outcome]
    OUTCOME_INCOMPLETE: _ClassVar[Outcome]
    OUTCOME_LOST: _ClassVar[Outcome]
    OUTCOME_INTERRUPTED: _ClassVar[Outcome]

class WorkerFate(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WORKER_FATE_UNSPECIFIED: _ClassVar[WorkerFate]
    WORKER_FATE_RESET: _ClassVar[WorkerFate]
    WORKER_FATE_RECYCLED: _ClassVar[WorkerFate]
    WORKER_FATE_KEPT: _ClassVar[WorkerFate]
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_COMPLETED: Outcome
OUTCOME_REFUSED: Outcome
OUTCOME_MAX_OUTPUT_TOKENS: Outcome
OUTCOME_CONTEXT_WINDOW: Outcome
OUTCOME_MODEL_CALL_LIMIT: Outcome
OUTCOME_COST_LIMIT: Outcome
OUTCOME_OUTPUT_LIMIT: Outcome
OUTCOME_DURATION_LIMIT: Outcome
OUTCOME_STRUCTURED_OUTPUT_FAILED: Outcome
OUTCOME_BLOCKED_BY_HOOK: Outcome
OUTCOME_CANCELLED: Outcome
OUTCOME_DEADLINE_EXCEEDED: Outcome
OUTCOME_UPSTREAM_ERROR: Outcome
OUTCOME_WORKER_DIED: Outcome
OUTCOME_DRAINED: Outcome
OUTCOME_CLIENT_STALLED: Outcome
OUTCOME_INTERNAL_ERROR: Outcome
OUTCOME_INCOMPLETE: Outcome
OUTCOME_LOST: Outcome
OUTCOME_INTERRUPTED: Outcome
WORKER_FATE_UNSPECIFIED: WorkerFate
WORKER_FATE_RESET: WorkerFate
WORKER_FATE_RECYCLED: WorkerFate
WORKER_FATE_KEPT: WorkerFate

class TurnResult(_message.Message):
    __slots__ = ("outcome", "text", "text_truncated", "text_size_bytes", "structured_output", "structured_output_json", "usage", "cost_usd_micros", "cost_is_estimate", "model_usage", "model_call_count", "stages", "stop_reason", "terminal_reason", "cli_subtype", "error", "permission_denials", "refusal_category", "refusal_explanation", "last_sequence", "worker_fate", "context_token_count", "context_window_token_count")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TEXT_TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    TEXT_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    STRUCTURED_OUTPUT_FIELD_NUMBER: _ClassVar[int]
    STRUCTURED_OUTPUT_JSON_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    COST_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    COST_IS_ESTIMATE_FIELD_NUMBER: _ClassVar[int]
    MODEL_USAGE_FIELD_NUMBER: _ClassVar[int]
    MODEL_CALL_COUNT_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    STOP_REASON_FIELD_NUMBER: _ClassVar[int]
    TERMINAL_REASON_FIELD_NUMBER: _ClassVar[int]
    CLI_SUBTYPE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    PERMISSION_DENIALS_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_CATEGORY_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    WORKER_FATE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_WINDOW_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    outcome: Outcome
    text: str
    text_truncated: bool
    text_size_bytes: int
    structured_output: _struct_pb2.Value
    structured_output_json: str
    usage: Usage
    cost_usd_micros: int
    cost_is_estimate: bool
    model_usage: _containers.RepeatedCompositeFieldContainer[ModelUsage]
    model_call_count: int
    stages: Stages
    stop_reason: str
    terminal_reason: str
    cli_subtype: str
    error: TurnError
    permission_denials: _containers.RepeatedCompositeFieldContainer[PermissionDenial]
    refusal_category: str
    refusal_explanation: str
    last_sequence: int
    worker_fate: WorkerFate
    context_token_count: int
    context_window_token_count: int
    def __init__(self, outcome: _Optional[_Union[Outcome, str]] = ..., text: _Optional[str] = ..., text_truncated: _Optional[bool] = ..., text_size_bytes: _Optional[int] = ..., structured_output: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., structured_output_json: _Optional[str] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., cost_usd_micros: _Optional[int] = ..., cost_is_estimate: _Optional[bool] = ..., model_usage: _Optional[_Iterable[_Union[ModelUsage, _Mapping]]] = ..., model_call_count: _Optional[int] = ..., stages: _Optional[_Union[Stages, _Mapping]] = ..., stop_reason: _Optional[str] = ..., terminal_reason: _Optional[str] = ..., cli_subtype: _Optional[str] = ..., error: _Optional[_Union[TurnError, _Mapping]] = ..., permission_denials: _Optional[_Iterable[_Union[PermissionDenial, _Mapping]]] = ..., refusal_category: _Optional[str] = ..., refusal_explanation: _Optional[str] = ..., last_sequence: _Optional[int] = ..., worker_fate: _Optional[_Union[WorkerFate, str]] = ..., context_token_count: _Optional[int] = ..., context_window_token_count: _Optional[int] = ...) -> None: ...

class TurnError(_message.Message):
    __slots__ = ("reason", "message", "http_status", "cli_error", "api_error_type", "request_id")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    HTTP_STATUS_FIELD_NUMBER: _ClassVar[int]
    CLI_ERROR_FIELD_NUMBER: _ClassVar[int]
    API_ERROR_TYPE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    reason: _error_pb2.ErrorReason
    message: str
    http_status: int
    cli_error: str
    api_error_type: str
    request_id: str
    def __init__(self, reason: _Optional[_Union[_error_pb2.ErrorReason, str]] = ..., message: _Optional[str] = ..., http_status: _Optional[int] = ..., cli_error: _Optional[str] = ..., api_error_type: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("input_token_count", "output_token_count", "cache_read_input_token_count", "cache_creation_input_token_count", "thinking_token_count", "web_search_request_count")
    INPUT_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    CACHE_READ_INPUT_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    CACHE_CREATION_INPUT_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    THINKING_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    WEB_SEARCH_REQUEST_COUNT_FIELD_NUMBER: _ClassVar[int]
    input_token_count: int
    output_token_count: int
    cache_read_input_token_count: int
    cache_creation_input_token_count: int
    thinking_token_count: int
    web_search_request_count: int
    def __init__(self, input_token_count: _Optional[int] = ..., output_token_count: _Optional[int] = ..., cache_read_input_token_count: _Optional[int] = ..., cache_creation_input_token_count: _Optional[int] = ..., thinking_token_count: _Optional[int] = ..., web_search_request_count: _Optional[int] = ...) -> None: ...

class ModelUsage(_message.Message):
    __slots__ = ("model", "usage", "cost_usd_micros", "cost_basis")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    COST_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    COST_BASIS_FIELD_NUMBER: _ClassVar[int]
    model: str
    usage: Usage
    cost_usd_micros: int
    cost_basis: str
    def __init__(self, model: _Optional[str] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., cost_usd_micros: _Optional[int] = ..., cost_basis: _Optional[str] = ...) -> None: ...

class PermissionDenial(_message.Message):
    __slots__ = ("tool_name", "tool_use_id")
    TOOL_NAME_FIELD_NUMBER: _ClassVar[int]
    TOOL_USE_ID_FIELD_NUMBER: _ClassVar[int]
    tool_name: str
    tool_use_id: str
    def __init__(self, tool_name: _Optional[str] = ..., tool_use_id: _Optional[str] = ...) -> None: ...

class Stages(_message.Message):
    __slots__ = ("queue_wait", "claim", "bind", "seed_history", "stdin_write", "first_event", "first_text", "arrival_to_first_text", "turn", "total", "api", "session_wait")
    QUEUE_WAIT_FIELD_NUMBER: _ClassVar[int]
    CLAIM_FIELD_NUMBER: _ClassVar[int]
    BIND_FIELD_NUMBER: _ClassVar[int]
    SEED_HISTORY_FIELD_NUMBER: _ClassVar[int]
    STDIN_WRITE_FIELD_NUMBER: _ClassVar[int]
    FIRST_EVENT_FIELD_NUMBER: _ClassVar[int]
    FIRST_TEXT_FIELD_NUMBER: _ClassVar[int]
    ARRIVAL_TO_FIRST_TEXT_FIELD_NUMBER: _ClassVar[int]
    TURN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    API_FIELD_NUMBER: _ClassVar[int]
    SESSION_WAIT_FIELD_NUMBER: _ClassVar[int]
    queue_wait: _duration_pb2.Duration
    claim: _duration_pb2.Duration
    bind: _duration_pb2.Duration
    seed_history: _duration_pb2.Duration
    stdin_write: _duration_pb2.Duration
    first_event: _duration_pb2.Duration
    first_text: _duration_pb2.Duration
    arrival_to_first_text: _duration_pb2.Duration
    turn: _duration_pb2.Duration
    total: _duration_pb2.Duration
    api: _duration_pb2.Duration
    session_wait: _duration_pb2.Duration
    def __init__(self, queue_wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., claim: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., bind: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., seed_history: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., stdin_write: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., first_event: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., first_text: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., arrival_to_first_text: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., turn: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., total: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., api: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., session_wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
