"""The commands and answers of `clients/suite/protocol.ts`, as far as both clients read and write them alike."""

import hashlib
import time
from typing import Any, NamedTuple

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionResponse

from claude_runner_client import (
    AsyncTurn,
    BusyPolicy,
    ChatRequest,
    RunnerError,
    StreamChatRequest,
    StreamChatResponse,
    Turn,
    v1,
)

Command = dict[str, Any]
Answer = dict[str, Any]

MAX_TEXT_BYTES = 64 * 1024

# Version 1, with the messages of grpcio-reflection: that package has v1alpha, which differs in its package name only.
REFLECTION_METHOD = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"


class Target(NamedTuple):
    """A server, and whether the client's own retry is on: one client each, kept between commands."""

    address: str
    token: str
    ca_file: str | None
    retry: bool

    @classmethod
    def of(cls, command: Command) -> "Target":
        """The target of a command."""
        target = command["target"]
        return cls(target["address"], target.get("token", ""), target.get("caFile"), command.get("retry", True))


class StreamLog:
    """What was seen of a stream."""

    def __init__(self, after_sequence: int = 0) -> None:
        self.kinds: dict[str, int] = {}
        self._first_kind = ""
        self._last_kind = ""
        self._known_count = 0
        self._gap_free = True
        self._gaps: list[Answer] = []
        self._after_sequence = after_sequence
        self._messages: Answer = {}

    def take(self, event: StreamChatResponse, unknown_count: int) -> None:
        """Notes an event; `unknown_count` is how many the client skipped until then."""
        kind = event.WhichOneof("event") or ""
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        self._first_kind = self._first_kind or kind
        self._last_kind = kind
        self._known_count += 1
        # A heartbeat repeats the number before it.
        expected = self._after_sequence + self._known_count + unknown_count - self.kinds.get("heartbeat", 0)
        self._gap_free = self._gap_free and event.sequence == expected
        if kind == "gap":
            self._gaps.append(message_json(event.gap))
        if kind in ("started", "result"):
            self._messages[kind] = message_json(getattr(event, kind))

    @property
    def text_delta_count(self) -> int:
        """How many pieces of text came."""
        return self.kinds.get("text_delta", 0)

    def answer(self, turn: Turn | AsyncTurn) -> Answer:
        """The answer but for an error."""
        return {
            "kinds": self.kinds,
            "firstKind": self._first_kind,
            "lastKind": self._last_kind,
            "unknownCount": turn.unknown_event_count,
            "gapFree": self._gap_free,
            "eventCount": self._known_count + turn.unknown_event_count,
            **text_facts(turn.text_so_far),
            "turnId": turn.turn_id,
            **({"gaps": self._gaps} if self._gaps else {}),
            **self._messages,
        }


class Sample(NamedTuple):
    """How long a turn took, in seconds from the call."""

    first_text: float
    total: float
    event_count: int


class Stopwatch:
    """Times a turn."""

    def __init__(self) -> None:
        self._begin = time.perf_counter()
        self._first_text: float | None = None
        self._event_count = 0

    def take(self, event: StreamChatResponse) -> None:
        """Notes when an event came."""
        self._event_count += 1
        if self._first_text is None and event.HasField("text_delta"):
            self._first_text = time.perf_counter() - self._begin

    def stop(self) -> Sample:
        """The turn is over."""
        total = time.perf_counter() - self._begin
        return Sample(total if self._first_text is None else self._first_text, total, self._event_count)


def bench_answer(samples: list[Sample]) -> Answer:
    """The answer but for an error."""
    return {
        "firstTextMs": [sample.first_text * 1000 for sample in samples],
        "totalMs": [sample.total * 1000 for sample in samples],
        "eventCounts": [sample.event_count for sample in samples],
    }


def conversation_turn(text: str, turn: Turn | AsyncTurn) -> Answer:
    """A turn of a conversation."""
    return {"text": text, "seededMessageCount": turn.started.seeded_message_count if turn.started is not None else 0}


def session_turn(text: str, turn: Turn | AsyncTurn) -> Answer:
    """A turn of a session."""
    started = {} if turn.started is None else message_json(turn.started)
    return {"text": text, "turnId": turn.turn_id, "started": started}


def session_options(command: Command) -> dict[str, Any]:
    """The options of a session's handle."""
    options: dict[str, Any] = {name: command[name] for name in ("title", "labels") if name in command}
    if "allowMissing" in command:
        options["create"] = command["allowMissing"]
    if "busyPolicy" in command:
        options["busy_policy"] = BusyPolicy.Value(command["busyPolicy"])
    return options


def attach_options(command: Command) -> dict[str, Any]:
    """Which turn to attach to, and from where."""
    names = {"turnId": "turn_id", "requestId": "request_id", "afterSequence": "after_sequence"}
    return {option: command[name] for name, option in names.items() if name in command}


def update_options(request: v1.UpdateSessionRequest) -> dict[str, Any]:
    """The changes that a request for an update names."""
    changes = {
        "title": request.title,
        "labels": dict(request.labels),
        "idle_expiry": request.idle_expiry.ToNanoseconds() / 1e9,
    }
    return {name: value for name, value in changes.items() if name in request.update_mask.paths}


def fork_options(request: v1.ForkSessionRequest) -> dict[str, Any]:
    """How a request for a fork wants it."""
    options: dict[str, Any] = {"new_id": request.new_id}
    if (until := request.WhichOneof("until")) is not None:
        options[until] = getattr(request, until)
    if request.HasField("title"):
        options["title"] = request.title
    return options


def kept_request(command: Command) -> Any:  # noqa: ANN401 (the type depends on the command)
    """The request of a command about what the server keeps."""
    method: str = command["method"]
    return ParseDict(command["request"], getattr(v1, f"{method[0].upper()}{method[1:]}Request")())


def text_facts(text: str) -> Answer:
    """A text by its size and hash, and itself when it is short."""
    data = text.encode()
    facts: Answer = {"textBytes": len(data), "textSha256": hashlib.sha256(data).hexdigest()}
    return {**facts, "text": text} if len(data) <= MAX_TEXT_BYTES else facts


def response(message: Message) -> Answer:
    """The answer to a call that went well."""
    return {"response": message_json(message)}


def services(answers: list[ServerReflectionResponse]) -> Answer:
    """The names of services in what reflection said."""
    return {"services": [each.name for answer in answers for each in answer.list_services_response.service]}


def failure(error: RunnerError) -> Answer:
    """What a call failed with, by the accessors of the client's error."""
    return {"error": call_error(error)}


def call_error(error: RunnerError) -> Answer:
    """A CallError."""
    answer: Answer = {
        "type": type(error).__name__,
        "code": error.code.name,
        "reason": error.reason,
        "message": error.message,
        "facts": dict(error.facts),
        "mayRetry": error.may_retry,
        "violations": [{"field": each.field, "description": each.description} for each in error.violations],
    }
    if error.retry_delay is not None:
        answer["retryDelayMs"] = round(error.retry_delay * 1000)
    if error.result is not None:
        answer["result"] = message_json(error.result)
    return answer


def message_json(message: Message) -> Answer:
    """A message of the contract in protobuf's JSON form."""
    return MessageToDict(message)


def stream_request(command: Command) -> StreamChatRequest:
    """The request of a command that streams."""
    return ParseDict(command["request"], StreamChatRequest())


def chat_request(command: Command) -> ChatRequest:
    """The request of a command that collects."""
    return ParseDict(command["request"], ChatRequest())


def timeout(command: Command) -> float | None:
    """The deadline in seconds."""
    return command["timeoutMs"] / 1000 if "timeoutMs" in command else None


def headers(command: Command) -> list[tuple[str, str | bytes]]:
    """More metadata for the call."""
    return list(command.get("headers", {}).items())
