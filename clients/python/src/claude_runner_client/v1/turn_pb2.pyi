import datetime

from . import event_pb2 as _event_pb2
from . import result_pb2 as _result_pb2
from . import runner_pb2 as _runner_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TurnState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TURN_STATE_UNSPECIFIED: _ClassVar[TurnState]
    TURN_STATE_WAITING: _ClassVar[TurnState]
    TURN_STATE_RUNNING: _ClassVar[TurnState]
    TURN_STATE_ENDED: _ClassVar[TurnState]

class TurnView(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TURN_VIEW_UNSPECIFIED: _ClassVar[TurnView]
    TURN_VIEW_BASIC: _ClassVar[TurnView]
    TURN_VIEW_FULL: _ClassVar[TurnView]
TURN_STATE_UNSPECIFIED: TurnState
TURN_STATE_WAITING: TurnState
TURN_STATE_RUNNING: TurnState
TURN_STATE_ENDED: TurnState
TURN_VIEW_UNSPECIFIED: TurnView
TURN_VIEW_BASIC: TurnView
TURN_VIEW_FULL: TurnView

class Turn(_message.Message):
    __slots__ = ("id", "state", "outcome", "error", "tenant", "profile", "model", "session_id", "request_id", "on_disconnect", "detail", "accept_time", "start_time", "end_time", "usage", "cost_usd_micros", "cost_is_estimate", "first_sequence", "last_sequence", "reader_count", "in_conversation", "prompt", "answer", "has_content")
    ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ON_DISCONNECT_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    COST_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    COST_IS_ESTIMATE_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    READER_COUNT_FIELD_NUMBER: _ClassVar[int]
    IN_CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    HAS_CONTENT_FIELD_NUMBER: _ClassVar[int]
    id: str
    state: TurnState
    outcome: _result_pb2.Outcome
    error: _result_pb2.TurnError
    tenant: str
    profile: str
    model: str
    session_id: str
    request_id: str
    on_disconnect: _runner_pb2.OnDisconnect
    detail: _runner_pb2.Detail
    accept_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    usage: _result_pb2.Usage
    cost_usd_micros: int
    cost_is_estimate: bool
    first_sequence: int
    last_sequence: int
    reader_count: int
    in_conversation: bool
    prompt: _containers.RepeatedCompositeFieldContainer[TurnPart]
    answer: _containers.RepeatedCompositeFieldContainer[TurnPart]
    has_content: bool
    def __init__(self, id: _Optional[str] = ..., state: _Optional[_Union[TurnState, str]] = ..., outcome: _Optional[_Union[_result_pb2.Outcome, str]] = ..., error: _Optional[_Union[_result_pb2.TurnError, _Mapping]] = ..., tenant: _Optional[str] = ..., profile: _Optional[str] = ..., model: _Optional[str] = ..., session_id: _Optional[str] = ..., request_id: _Optional[str] = ..., on_disconnect: _Optional[_Union[_runner_pb2.OnDisconnect, str]] = ..., detail: _Optional[_Union[_runner_pb2.Detail, str]] = ..., accept_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., usage: _Optional[_Union[_result_pb2.Usage, _Mapping]] = ..., cost_usd_micros: _Optional[int] = ..., cost_is_estimate: _Optional[bool] = ..., first_sequence: _Optional[int] = ..., last_sequence: _Optional[int] = ..., reader_count: _Optional[int] = ..., in_conversation: _Optional[bool] = ..., prompt: _Optional[_Iterable[_Union[TurnPart, _Mapping]]] = ..., answer: _Optional[_Iterable[_Union[TurnPart, _Mapping]]] = ..., has_content: _Optional[bool] = ...) -> None: ...

class TurnPart(_message.Message):
    __slots__ = ("media_type", "digest", "size_bytes", "text", "text_truncated", "title")
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TEXT_TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    media_type: str
    digest: str
    size_bytes: int
    text: str
    text_truncated: bool
    title: str
    def __init__(self, media_type: _Optional[str] = ..., digest: _Optional[str] = ..., size_bytes: _Optional[int] = ..., text: _Optional[str] = ..., text_truncated: _Optional[bool] = ..., title: _Optional[str] = ...) -> None: ...

class AttachTurnRequest(_message.Message):
    __slots__ = ("turn_id", "request_id", "after_sequence", "detail")
    TURN_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    turn_id: str
    request_id: str
    after_sequence: int
    detail: _runner_pb2.Detail
    def __init__(self, turn_id: _Optional[str] = ..., request_id: _Optional[str] = ..., after_sequence: _Optional[int] = ..., detail: _Optional[_Union[_runner_pb2.Detail, str]] = ...) -> None: ...

class AttachTurnResponse(_message.Message):
    __slots__ = ("state", "event", "gap", "replay_complete")
    STATE_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    REPLAY_COMPLETE_FIELD_NUMBER: _ClassVar[int]
    state: Turn
    event: _runner_pb2.StreamChatResponse
    gap: _event_pb2.Gap
    replay_complete: ReplayComplete
    def __init__(self, state: _Optional[_Union[Turn, _Mapping]] = ..., event: _Optional[_Union[_runner_pb2.StreamChatResponse, _Mapping]] = ..., gap: _Optional[_Union[_event_pb2.Gap, _Mapping]] = ..., replay_complete: _Optional[_Union[ReplayComplete, _Mapping]] = ...) -> None: ...

class ReplayComplete(_message.Message):
    __slots__ = ("last_sequence",)
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    last_sequence: int
    def __init__(self, last_sequence: _Optional[int] = ...) -> None: ...

class GetTurnRequest(_message.Message):
    __slots__ = ("turn_id", "request_id", "view")
    TURN_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    turn_id: str
    request_id: str
    view: TurnView
    def __init__(self, turn_id: _Optional[str] = ..., request_id: _Optional[str] = ..., view: _Optional[_Union[TurnView, str]] = ...) -> None: ...

class GetTurnResponse(_message.Message):
    __slots__ = ("turn", "result")
    TURN_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    turn: Turn
    result: _result_pb2.TurnResult
    def __init__(self, turn: _Optional[_Union[Turn, _Mapping]] = ..., result: _Optional[_Union[_result_pb2.TurnResult, _Mapping]] = ...) -> None: ...

class ListTurnsRequest(_message.Message):
    __slots__ = ("session_id", "state", "view", "page_size", "page_token", "all_tenants")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ALL_TENANTS_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    state: TurnState
    view: TurnView
    page_size: int
    page_token: str
    all_tenants: bool
    def __init__(self, session_id: _Optional[str] = ..., state: _Optional[_Union[TurnState, str]] = ..., view: _Optional[_Union[TurnView, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., all_tenants: _Optional[bool] = ...) -> None: ...

class ListTurnsResponse(_message.Message):
    __slots__ = ("turns", "next_page_token")
    TURNS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    turns: _containers.RepeatedCompositeFieldContainer[Turn]
    next_page_token: str
    def __init__(self, turns: _Optional[_Iterable[_Union[Turn, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetTurnContentRequest(_message.Message):
    __slots__ = ("turn_id", "digest", "offset_bytes")
    TURN_ID_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    turn_id: str
    digest: str
    offset_bytes: int
    def __init__(self, turn_id: _Optional[str] = ..., digest: _Optional[str] = ..., offset_bytes: _Optional[int] = ...) -> None: ...

class GetTurnContentResponse(_message.Message):
    __slots__ = ("data", "offset_bytes", "size_bytes", "media_type")
    DATA_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    offset_bytes: int
    size_bytes: int
    media_type: str
    def __init__(self, data: _Optional[bytes] = ..., offset_bytes: _Optional[int] = ..., size_bytes: _Optional[int] = ..., media_type: _Optional[str] = ...) -> None: ...

class InterruptTurnRequest(_message.Message):
    __slots__ = ("turn_id",)
    TURN_ID_FIELD_NUMBER: _ClassVar[int]
    turn_id: str
    def __init__(self, turn_id: _Optional[str] = ...) -> None: ...

class InterruptTurnResponse(_message.Message):
    __slots__ = ("turn", "interrupted")
    TURN_FIELD_NUMBER: _ClassVar[int]
    INTERRUPTED_FIELD_NUMBER: _ClassVar[int]
    turn: Turn
    interrupted: bool
    def __init__(self, turn: _Optional[_Union[Turn, _Mapping]] = ..., interrupted: _Optional[bool] = ...) -> None: ...
