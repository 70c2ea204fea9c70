import datetime

from . import error_pb2 as _error_pb2
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

class WorkerState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WORKER_STATE_UNSPECIFIED: _ClassVar[WorkerState]
    WORKER_STATE_STARTING: _ClassVar[WorkerState]
    WORKER_STATE_SPARE: _ClassVar[WorkerState]
    WORKER_STATE_BOUND_IDLE: _ClassVar[WorkerState]
    WORKER_STATE_CLAIMED: _ClassVar[WorkerState]
    WORKER_STATE_RESETTING: _ClassVar[WorkerState]
    WORKER_STATE_CHECKING: _ClassVar[WorkerState]
    WORKER_STATE_STOPPING: _ClassVar[WorkerState]

class StartsState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STARTS_STATE_UNSPECIFIED: _ClassVar[StartsState]
    STARTS_STATE_NORMAL: _ClassVar[StartsState]
    STARTS_STATE_FAILING: _ClassVar[StartsState]
    STARTS_STATE_CLI_UNAVAILABLE: _ClassVar[StartsState]
WORKER_STATE_UNSPECIFIED: WorkerState
WORKER_STATE_STARTING: WorkerState
WORKER_STATE_SPARE: WorkerState
WORKER_STATE_BOUND_IDLE: WorkerState
WORKER_STATE_CLAIMED: WorkerState
WORKER_STATE_RESETTING: WorkerState
WORKER_STATE_CHECKING: WorkerState
WORKER_STATE_STOPPING: WorkerState
STARTS_STATE_UNSPECIFIED: StartsState
STARTS_STATE_NORMAL: StartsState
STARTS_STATE_FAILING: StartsState
STARTS_STATE_CLI_UNAVAILABLE: StartsState

class GetPoolRequest(_message.Message):
    __slots__ = ("recent_turn_count",)
    RECENT_TURN_COUNT_FIELD_NUMBER: _ClassVar[int]
    recent_turn_count: int
    def __init__(self, recent_turn_count: _Optional[int] = ...) -> None: ...

class GetPoolResponse(_message.Message):
    __slots__ = ("pool",)
    POOL_FIELD_NUMBER: _ClassVar[int]
    pool: PoolState
    def __init__(self, pool: _Optional[_Union[PoolState, _Mapping]] = ...) -> None: ...

class WatchPoolRequest(_message.Message):
    __slots__ = ("recent_turn_count", "min_interval")
    RECENT_TURN_COUNT_FIELD_NUMBER: _ClassVar[int]
    MIN_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    recent_turn_count: int
    min_interval: _duration_pb2.Duration
    def __init__(self, recent_turn_count: _Optional[int] = ..., min_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WatchPoolResponse(_message.Message):
    __slots__ = ("pool",)
    POOL_FIELD_NUMBER: _ClassVar[int]
    pool: PoolState
    def __init__(self, pool: _Optional[_Union[PoolState, _Mapping]] = ...) -> None: ...

class PoolState(_message.Message):
    __slots__ = ("read_time", "serving", "draining", "covers_all_tenants", "uptime", "memory_bytes", "memory_budget_bytes", "profiles", "workers", "recent_turns")
    READ_TIME_FIELD_NUMBER: _ClassVar[int]
    SERVING_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    COVERS_ALL_TENANTS_FIELD_NUMBER: _ClassVar[int]
    UPTIME_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BUDGET_BYTES_FIELD_NUMBER: _ClassVar[int]
    PROFILES_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    RECENT_TURNS_FIELD_NUMBER: _ClassVar[int]
    read_time: _timestamp_pb2.Timestamp
    serving: bool
    draining: bool
    covers_all_tenants: bool
    uptime: _duration_pb2.Duration
    memory_bytes: int
    memory_budget_bytes: int
    profiles: _containers.RepeatedCompositeFieldContainer[ProfilePool]
    workers: _containers.RepeatedCompositeFieldContainer[PoolWorker]
    recent_turns: _containers.RepeatedCompositeFieldContainer[RecentTurn]
    def __init__(self, read_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., serving: _Optional[bool] = ..., draining: _Optional[bool] = ..., covers_all_tenants: _Optional[bool] = ..., uptime: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., memory_bytes: _Optional[int] = ..., memory_budget_bytes: _Optional[int] = ..., profiles: _Optional[_Iterable[_Union[ProfilePool, _Mapping]]] = ..., workers: _Optional[_Iterable[_Union[PoolWorker, _Mapping]]] = ..., recent_turns: _Optional[_Iterable[_Union[RecentTurn, _Mapping]]] = ...) -> None: ...

class ProfilePool(_message.Message):
    __slots__ = ("profile", "ready", "worker_counts", "max_worker_count", "min_spare_count", "waiting_count", "max_waiting_count", "oldest_wait", "claim_counts", "starts")
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    WORKER_COUNTS_FIELD_NUMBER: _ClassVar[int]
    MAX_WORKER_COUNT_FIELD_NUMBER: _ClassVar[int]
    MIN_SPARE_COUNT_FIELD_NUMBER: _ClassVar[int]
    WAITING_COUNT_FIELD_NUMBER: _ClassVar[int]
    MAX_WAITING_COUNT_FIELD_NUMBER: _ClassVar[int]
    OLDEST_WAIT_FIELD_NUMBER: _ClassVar[int]
    CLAIM_COUNTS_FIELD_NUMBER: _ClassVar[int]
    STARTS_FIELD_NUMBER: _ClassVar[int]
    profile: str
    ready: bool
    worker_counts: _containers.RepeatedCompositeFieldContainer[WorkerStateCount]
    max_worker_count: int
    min_spare_count: int
    waiting_count: int
    max_waiting_count: int
    oldest_wait: _duration_pb2.Duration
    claim_counts: _containers.RepeatedCompositeFieldContainer[ClaimSourceCount]
    starts: StartsState
    def __init__(self, profile: _Optional[str] = ..., ready: _Optional[bool] = ..., worker_counts: _Optional[_Iterable[_Union[WorkerStateCount, _Mapping]]] = ..., max_worker_count: _Optional[int] = ..., min_spare_count: _Optional[int] = ..., waiting_count: _Optional[int] = ..., max_waiting_count: _Optional[int] = ..., oldest_wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., claim_counts: _Optional[_Iterable[_Union[ClaimSourceCount, _Mapping]]] = ..., starts: _Optional[_Union[StartsState, str]] = ...) -> None: ...

class WorkerStateCount(_message.Message):
    __slots__ = ("state", "count")
    STATE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    state: WorkerState
    count: int
    def __init__(self, state: _Optional[_Union[WorkerState, str]] = ..., count: _Optional[int] = ...) -> None: ...

class ClaimSourceCount(_message.Message):
    __slots__ = ("source", "count")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    source: _event_pb2.ClaimSource
    count: int
    def __init__(self, source: _Optional[_Union[_event_pb2.ClaimSource, str]] = ..., count: _Optional[int] = ...) -> None: ...

class PoolWorker(_message.Message):
    __slots__ = ("worker_id", "profile", "state", "state_age", "age", "turn_count", "turn_id", "tenant", "memory_bytes")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STATE_AGE_FIELD_NUMBER: _ClassVar[int]
    AGE_FIELD_NUMBER: _ClassVar[int]
    TURN_COUNT_FIELD_NUMBER: _ClassVar[int]
    TURN_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    profile: str
    state: WorkerState
    state_age: _duration_pb2.Duration
    age: _duration_pb2.Duration
    turn_count: int
    turn_id: str
    tenant: str
    memory_bytes: int
    def __init__(self, worker_id: _Optional[str] = ..., profile: _Optional[str] = ..., state: _Optional[_Union[WorkerState, str]] = ..., state_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., turn_count: _Optional[int] = ..., turn_id: _Optional[str] = ..., tenant: _Optional[str] = ..., memory_bytes: _Optional[int] = ...) -> None: ...

class RecentTurn(_message.Message):
    __slots__ = ("turn_id", "profile", "model", "arrival_time", "running", "outcome", "error_reason", "claim_source", "worker_id", "stages", "usage", "cost_usd_micros", "trace_id", "cost_is_estimate")
    TURN_ID_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ARRIVAL_TIME_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    ERROR_REASON_FIELD_NUMBER: _ClassVar[int]
    CLAIM_SOURCE_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    COST_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    COST_IS_ESTIMATE_FIELD_NUMBER: _ClassVar[int]
    turn_id: str
    profile: str
    model: str
    arrival_time: _timestamp_pb2.Timestamp
    running: bool
    outcome: _result_pb2.Outcome
    error_reason: _error_pb2.ErrorReason
    claim_source: _event_pb2.ClaimSource
    worker_id: str
    stages: _result_pb2.Stages
    usage: _result_pb2.Usage
    cost_usd_micros: int
    trace_id: str
    cost_is_estimate: bool
    def __init__(self, turn_id: _Optional[str] = ..., profile: _Optional[str] = ..., model: _Optional[str] = ..., arrival_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., running: _Optional[bool] = ..., outcome: _Optional[_Union[_result_pb2.Outcome, str]] = ..., error_reason: _Optional[_Union[_error_pb2.ErrorReason, str]] = ..., claim_source: _Optional[_Union[_event_pb2.ClaimSource, str]] = ..., worker_id: _Optional[str] = ..., stages: _Optional[_Union[_result_pb2.Stages, _Mapping]] = ..., usage: _Optional[_Union[_result_pb2.Usage, _Mapping]] = ..., cost_usd_micros: _Optional[int] = ..., trace_id: _Optional[str] = ..., cost_is_estimate: _Optional[bool] = ...) -> None: ...
