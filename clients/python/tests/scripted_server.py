"""A server in this process: each call gets the next script, and is remembered. Nothing of it thinks."""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NoReturn

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from claude_runner_client import (
    ChatRequest,
    ChatResponse,
    GetInfoResponse,
    GetPoolResponse,
    Outcome,
    StreamChatRequest,
    StreamChatResponse,
    TurnResult,
    v1,
)

# Longer than any test takes: whoever waits for so long has failed. Scripts have more of it, so as to help nobody out.
PATIENCE_SECONDS = 15
_SCRIPT_PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Failure:
    """A failing status."""

    code: grpc.StatusCode
    message: str = "it failed"
    details: Sequence[Message] = ()
    pushback: str | None = None

    def trailers(self) -> tuple[tuple[str, str | bytes], ...]:
        """The metadata that goes with it."""
        status = Status(code=self.code.value[0], message=self.message)
        for detail in self.details:
            status.details.add().Pack(detail)
        details = ("grpc-status-details-bin", status.SerializeToString())
        return (details,) if self.pushback is None else (details, ("grpc-retry-pushback-ms", self.pushback))

    def abort(self, context: grpc.ServicerContext) -> NoReturn:
        """Ends the call with it."""
        context.set_trailing_metadata(self.trailers())
        context.abort(self.code, self.message)
        raise AssertionError("abort has raised")


def broken_way() -> Failure:
    """What a client sees when the way to the server breaks."""
    return Failure(grpc.StatusCode.UNAVAILABLE, "the connection broke", pushback="-1")


class UntilCancelled:
    """A step of a script: nothing happens until the caller is gone."""


Step = StreamChatResponse | Failure | UntilCancelled


class KeptThings(v1.SessionServiceServicer, v1.TurnServiceServicer):
    """What the server keeps: turns that are attached to and stopped, and five sessions that are listed."""

    def __init__(self) -> None:
        self.attach_scripts: deque[Sequence[v1.AttachTurnResponse | Failure]] = deque()
        self.attached: list[v1.AttachTurnRequest] = []
        self.interrupted: list[str] = []
        self.page_tokens: list[str] = []
        self.updates: list[v1.UpdateSessionRequest] = []
        self.forks: list[v1.ForkSessionRequest] = []

    def AttachTurn(
        self, request: v1.AttachTurnRequest, context: grpc.ServicerContext
    ) -> Iterator[v1.AttachTurnResponse]:
        """Plays the next script."""
        self.attached.append(request)
        for step in self.attach_scripts.popleft():
            if isinstance(step, Failure):
                step.abort(context)
            yield step

    def GetTurn(self, request: v1.GetTurnRequest, context: grpc.ServicerContext) -> v1.GetTurnResponse:
        """Knows every turn."""
        del context
        return v1.GetTurnResponse(turn=v1.Turn(id=request.turn_id or f"turn of {request.request_id}"))

    def InterruptTurn(
        self, request: v1.InterruptTurnRequest, context: grpc.ServicerContext
    ) -> v1.InterruptTurnResponse:
        """Notes it."""
        del context
        self.interrupted.append(request.turn_id)
        return v1.InterruptTurnResponse(interrupted=True)

    def ListTurns(self, request: v1.ListTurnsRequest, context: grpc.ServicerContext) -> v1.ListTurnsResponse:
        """Five turns, two a page."""
        del context
        numbers, token = self._page(request.page_token)
        has_content = request.view == v1.TurnView.TURN_VIEW_FULL
        turns = [v1.Turn(id=each, session_id=request.session_id, has_content=has_content) for each in numbers]
        return v1.ListTurnsResponse(turns=turns, next_page_token=token)

    def ListSessions(self, request: v1.ListSessionsRequest, context: grpc.ServicerContext) -> v1.ListSessionsResponse:
        """Five sessions, two a page; none for a title that is nobody's."""
        if request.title_contains == "nobody's":
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "not yours")
        numbers, token = self._page(request.page_token)
        return v1.ListSessionsResponse(sessions=[v1.Session(id=each) for each in numbers], next_page_token=token)

    def CreateSession(
        self, request: v1.CreateSessionRequest, context: grpc.ServicerContext
    ) -> v1.CreateSessionResponse:
        """Says that it did."""
        del context
        return v1.CreateSessionResponse(session=v1.Session(id=request.id or "chosen", title=request.title))

    def GetSession(self, request: v1.GetSessionRequest, context: grpc.ServicerContext) -> v1.GetSessionResponse:
        """Knows every session."""
        del context
        return v1.GetSessionResponse(session=v1.Session(id=request.id))

    def UpdateSession(
        self, request: v1.UpdateSessionRequest, context: grpc.ServicerContext
    ) -> v1.UpdateSessionResponse:
        """Notes it."""
        del context
        self.updates.append(request)
        return v1.UpdateSessionResponse(session=v1.Session(id=request.id, title=request.title))

    def DeleteSession(
        self, request: v1.DeleteSessionRequest, context: grpc.ServicerContext
    ) -> v1.DeleteSessionResponse:
        """Says whether it would have had to stop a turn."""
        del context
        return v1.DeleteSessionResponse(interrupted_turn_id="turn-1" if request.force else "")

    def ForkSession(self, request: v1.ForkSessionRequest, context: grpc.ServicerContext) -> v1.ForkSessionResponse:
        """Notes it."""
        del context
        self.forks.append(request)
        return v1.ForkSessionResponse(session=v1.Session(id=request.new_id or "chosen"))

    def GetTurnContent(
        self, request: v1.GetTurnContentRequest, context: grpc.ServicerContext
    ) -> Iterator[v1.GetTurnContentResponse]:
        """Is not played."""
        del request
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "not played")

    def _page(self, token: str) -> tuple[list[str], str]:
        self.page_tokens.append(token)
        first = int(token or "0") + 1
        last = min(first + 1, 5)
        return [str(number) for number in range(first, last + 1)], "" if last == 5 else str(last)


@dataclass
class Call:
    """A call that came in."""

    request: StreamChatRequest | ChatRequest
    metadata: dict[str, str | bytes]
    over: threading.Event = field(default_factory=threading.Event)


class ScriptedServer(KeptThings, v1.ClaudeRunnerServicer, v1.PoolServiceServicer):
    """Serves on a free port of loopback from `start` to `stop`."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.scripts: deque[Sequence[Step] | ChatResponse] = deque()
        self.address = ""
        self._server = grpc.server(ThreadPoolExecutor(max_workers=8))
        v1.add_ClaudeRunnerServicer_to_server(self, self._server)
        v1.add_PoolServiceServicer_to_server(self, self._server)
        v1.add_SessionServiceServicer_to_server(self, self._server)
        v1.add_TurnServiceServicer_to_server(self, self._server)

    def start(self, credentials: grpc.ServerCredentials | None = None) -> None:
        """Listens."""
        anywhere = "127.0.0.1:0"
        if credentials is None:
            port = self._server.add_insecure_port(anywhere)
        else:
            port = self._server.add_secure_port(anywhere, credentials)
        self.address = f"127.0.0.1:{port}"
        self._server.start()

    def stop(self) -> None:
        """Ends the calls that are left."""
        for call in self.calls:
            call.over.set()
        self._server.stop(grace=None).wait(PATIENCE_SECONDS)

    def StreamChat(self, request: StreamChatRequest, context: grpc.ServicerContext) -> Iterator[StreamChatResponse]:
        """Plays the next script; without one, answers."""
        call = self._note(request, context)
        script = self.scripts.popleft() if self.scripts else answer(f"You said: {request.prompt}")
        assert not isinstance(script, ChatResponse)
        for step in script:
            if isinstance(step, Failure):
                step.abort(context)
            elif isinstance(step, UntilCancelled):
                call.over.wait(_SCRIPT_PATIENCE_SECONDS)
                return
            else:
                yield step

    def Chat(self, request: ChatRequest, context: grpc.ServicerContext) -> ChatResponse:
        """Answers with the next script: a response, or one step alone."""
        call = self._note(request, context)
        script = self.scripts.popleft() if self.scripts else ChatResponse(text=f"You said: {request.prompt}")
        if not isinstance(script, ChatResponse):
            [step] = script
            if isinstance(step, UntilCancelled):
                call.over.wait(_SCRIPT_PATIENCE_SECONDS)
                return ChatResponse()
            assert isinstance(step, Failure)
            step.abort(context)
        return script

    def GetInfo(self, request: v1.GetInfoRequest, context: grpc.ServicerContext) -> GetInfoResponse:
        """Tells the token's tenant, which is the token itself."""
        del request
        token = str(dict(context.invocation_metadata()).get("authorization", ""))
        return GetInfoResponse(server_version="1.2.3", tenant=token.removeprefix("Bearer "))

    def GetPool(self, request: v1.GetPoolRequest, context: grpc.ServicerContext) -> GetPoolResponse:
        """Says that it is serving."""
        del request, context
        return GetPoolResponse(pool=v1.PoolState(serving=True))

    def WatchPool(self, request: v1.WatchPoolRequest, context: grpc.ServicerContext) -> Iterator[v1.WatchPoolResponse]:
        """Is not played."""
        del request
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "not played")

    def _note(self, request: StreamChatRequest | ChatRequest, context: grpc.ServicerContext) -> Call:
        call = Call(request, dict(context.invocation_metadata()))
        self.calls.append(call)
        if not context.add_callback(call.over.set):
            call.over.set()
        return call


def events(*cases: Message) -> list[StreamChatResponse]:
    """Events in their envelopes, each in the case that its type has."""
    field_of = {case.message_type: case.name for case in StreamChatResponse.DESCRIPTOR.oneofs_by_name["event"].fields}
    script = []
    for sequence, case in enumerate(cases, start=1):
        event = StreamChatResponse(sequence=sequence, turn_id="turn-1")
        getattr(event, field_of[case.DESCRIPTOR]).CopyFrom(case)
        # Also a message without content is a case that is there.
        getattr(event, field_of[case.DESCRIPTOR]).SetInParent()
        script.append(event)
    return script


def attached(
    *steps: Message | Failure, after: int = 0, gap: tuple[int, int] | None = None
) -> list[v1.AttachTurnResponse | Failure]:
    """An attached stream: the state, perhaps a gap, then events that follow on a number, or a failure."""
    script: list[v1.AttachTurnResponse | Failure] = [
        v1.AttachTurnResponse(state=v1.Turn(id="turn-1", state=v1.TurnState.TURN_STATE_RUNNING))
    ]
    if gap is not None:
        script.append(v1.AttachTurnResponse(gap=v1.Gap(first_sequence=gap[0], last_sequence=gap[1])))
    for step in steps:
        if isinstance(step, Failure):
            script.append(step)
            continue
        [event] = events(step)
        if not isinstance(step, v1.Heartbeat):
            after += 1
        event.sequence = after
        script.append(v1.AttachTurnResponse(event=event))
    return script


def text(words: str, *, message: int = 0, block: int = 0) -> v1.TextDelta:
    """A piece of the answer."""
    return v1.TextDelta(text=words, message_index=message, block_index=block)


def completed(words: str = "", outcome: Outcome = Outcome.OUTCOME_COMPLETED) -> TurnResult:
    """A result."""
    return TurnResult(outcome=outcome, text=words, text_size_bytes=len(words))


def answer(*pieces: str) -> list[StreamChatResponse]:
    """A whole turn that says this."""
    return events(v1.Started(worker_id="w1"), *(text(piece) for piece in pieces), completed("".join(pieces)))


def of_unknown_kind(event: StreamChatResponse) -> StreamChatResponse:
    """The event as a newer server would send it: its case is one that nobody here knows."""
    envelope = StreamChatResponse(sequence=event.sequence, turn_id=event.turn_id)
    field_98_of_length_0 = bytes([0x92, 0x06, 0x00])
    return StreamChatResponse.FromString(envelope.SerializeToString() + field_98_of_length_0)


def info(reason: str, domain: str = "claude-runner", **facts: str) -> ErrorInfo:
    """The detail that names the reason."""
    return ErrorInfo(reason=reason, domain=domain, metadata=facts)


def retry_info(seconds: int = 0, nanos: int = 0) -> RetryInfo:
    """The detail that says when."""
    return RetryInfo(retry_delay=Duration(seconds=seconds, nanos=nanos))


def bad_request(**descriptions: str) -> BadRequest:
    """The detail that names broken rules, by field."""
    return BadRequest(
        field_violations=[
            BadRequest.FieldViolation(field=name, description=words) for name, words in descriptions.items()
        ]
    )
