"""The blocking client."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TypeVar, final
from weakref import WeakSet

import grpc

from . import v1
from ._conversation import Conversation
from ._errors import RunnerError
from ._kept_requests import SessionTurns, attach_request, get_turn_request, sent_again
from ._rejoin import Rejoining
from ._rejoining_call import CollectedCall, RejoiningCall, TurnCalls
from ._requests import chat_request, pool_request, stream_request
from ._session import Session
from ._target import Metadata, MetadataLike, find_target, token_metadata
from ._tls import PathLike
from ._turn import Turn
from ._turn_record import TurnRecord
from .v1 import (
    AttachTurnRequest,
    BusyPolicy,
    ChatRequest,
    ChatResponse,
    ClaudeRunnerStub,
    CreateSessionRequest,
    Detail,
    GetInfoRequest,
    GetInfoResponse,
    GetPoolResponse,
    GetTurnResponse,
    InterruptTurnRequest,
    InterruptTurnResponse,
    ListSessionsRequest,
    ListTurnsRequest,
    PoolServiceStub,
    SessionServiceStub,
    StreamChatRequest,
    TurnServiceStub,
    TurnView,
)

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")
Interceptor = grpc.UnaryUnaryClientInterceptor | grpc.UnaryStreamClientInterceptor


@final
class ClaudeRunner:
    """A connection to one server. Any number of threads may use it. Whoever made it closes it, best by `with`."""

    def __init__(
        self,
        address: str | None = None,
        *,
        token: str | None = None,
        tls: bool = False,
        ca_file: PathLike | None = None,
        retry: bool = True,
        options: Sequence[tuple[str, object]] = (),
        interceptors: Sequence[Interceptor] = (),
    ) -> None:
        """Connects at the first call.

        `address`: host and port of the server's gRPC port. Default: CLAUDE_RUNNER_ADDRESS, else 127.0.0.1:7433.

        `token`: the bearer token, sent with every call to that address and shown nowhere. Default: CLAUDE_RUNNER_TOKEN,
        else none. An empty one sends none.

        `tls`: whether to talk TLS and trust the system's authorities. Default: no, which suits loopback only, since
        anybody on the way can read the token. `ca_file`: a PEM file of the authorities to trust instead; implies `tls`.

        `retry`: see `channel_options`. Default: on.

        `options`: more options for the gRPC channel; they win over the client's own.

        `interceptors`: gRPC client interceptors, the first one outermost.
        """
        target = find_target(address, token, tls=tls, ca_file=ca_file, retry=retry, options=options)
        if target.credentials is None:
            channel = grpc.insecure_channel(target.address, options=target.options)
        else:
            channel = grpc.secure_channel(target.address, target.credentials, options=target.options)
        self._use(grpc.intercept_channel(channel, *interceptors), target.metadata, target.address, channel.close)

    @classmethod
    def from_channel(cls, channel: grpc.Channel, *, token: str | None = None) -> "ClaudeRunner":
        """A client over a channel of your own, which stays open when the client is closed.

        Retry and sizes are then the channel's: give it `channel_options()`. `token`: as for the client.
        """
        runner = cls.__new__(cls)
        runner._use(channel, token_metadata(token), "a channel of its user's", lambda: None)
        return runner

    def stream(
        self,
        request: StreamChatRequest | str,
        *,
        rejoin: bool = False,
        timeout: float | None = None,
        metadata: MetadataLike = (),
    ) -> Turn:
        """Starts a turn: a prompt alone, or everything that a request can say. Nothing is raised before it is read.

        `rejoin`: whether the turn goes on when its connection breaks, and its stream as well, without a seam, under a
        request id of the client's unless the request has one. It is given up after a minute without a sign of the turn.

        `timeout`: the call's deadline in seconds, retries included. Default: the server's (10 minutes, unless its
        operator says otherwise). `metadata`: more gRPC metadata for this call.
        """
        return self._start(stream_request(request), timeout, metadata, rejoin=rejoin)

    def chat(
        self,
        request: ChatRequest | str,
        *,
        idempotent: bool = False,
        timeout: float | None = None,
        metadata: MetadataLike = (),
    ) -> ChatResponse:
        """Runs a whole turn and answers when it is over. `timeout` and `metadata`: see `stream`. Raises RunnerError.

        `idempotent`: whether the call is sent again, for up to a minute, when its connection breaks. The turn runs
        once, under a request id of the client's unless the request has one.
        """
        request = chat_request(request)
        if not idempotent:
            return self._call(self._runner.Chat, request, timeout, metadata)
        again = sent_again(request)
        call = CollectedCall(
            lambda remaining: self._call(self._runner.Chat, again, remaining, metadata),
            self._turn_calls(metadata),
            again.request_id,
            timeout,
        )
        self._going.add(call)
        return call.result()

    def attach(
        self,
        turn_id: str | None = None,
        *,
        request_id: str | None = None,
        after_sequence: int = 0,
        detail: Detail | None = None,
        timeout: float | None = None,
        metadata: MetadataLike = (),
    ) -> Turn:
        """Reads a turn that runs or has run, by its id or its request id, after an event of it.

        It is read like a turn of one's own, and rejoins like one. But leaving it stops the reading only, not the turn.
        """
        request = attach_request(turn_id, request_id, after_sequence, detail)
        return self._rejoining(Rejoining(None, request), timeout, metadata, TurnRecord())

    def conversation(self, template: StreamChatRequest | None = None) -> Conversation:
        """Begins a conversation. `template`: what all of its turns have, such as profile and system prompt.

        The template's history is how the conversation began; its prompt is left unset.
        """
        return Conversation(self._start, self.chat, template)

    def session(
        self,
        session_id: str,
        template: StreamChatRequest | None = None,
        *,
        create: bool = True,
        title: str = "",
        labels: Mapping[str, str] | None = None,
        idle_expiry: float | None = None,
        busy_policy: BusyPolicy = BusyPolicy.BUSY_POLICY_UNSPECIFIED,
    ) -> Session:
        """A handle of the session with this id. `template`: what all of its turns have, such as profile and model.

        `create`: whether the handle's first turn creates the session if it is not there; later ones never do. `title`,
        `labels` and `idle_expiry`, in seconds, are for a session that is created.

        `busy_policy`: what a turn does while another one runs. Default: it fails with SESSION_BUSY.
        """
        turns = SessionTurns(
            session_id,
            template,
            create=create,
            title=title,
            labels=labels,
            idle_expiry=idle_expiry,
            busy_policy=busy_policy,
        )
        return Session(
            session_id,
            turns,
            start=self._start,
            chat=self.chat,
            call=self._call,
            list_turns=self.turns,
            stub=self._sessions,
        )

    def create_session(
        self,
        request: CreateSessionRequest | None = None,
        *,
        timeout: float | None = None,
        metadata: MetadataLike = (),
    ) -> v1.Session:
        """Makes an empty session; `session` with its id goes on with it. Raises RunnerError."""
        return self._call(self._sessions.CreateSession, request or CreateSessionRequest(), timeout, metadata).session

    def sessions(
        self,
        request: ListSessionsRequest | None = None,
        *,
        timeout: float | None = None,
        metadata: MetadataLike = (),
    ) -> Iterator[v1.Session]:
        """All sessions, or those that the request asks for, the one that changed last first. Raises RunnerError.

        They come page by page. `timeout` is that of each page.
        """
        page = ListSessionsRequest()
        page.MergeFrom(request or page)
        while True:
            response = self._call(self._sessions.ListSessions, page, timeout, metadata)
            yield from response.sessions
            if not response.next_page_token:
                return
            page.page_token = response.next_page_token

    def turns(
        self,
        request: ListTurnsRequest | None = None,
        *,
        timeout: float | None = None,
        metadata: MetadataLike = (),
    ) -> Iterator[v1.Turn]:
        """All turns, or those that the request asks for: those of a session in order, else the newest first.

        They come page by page. `timeout` is that of each page. Raises RunnerError.
        """
        page = ListTurnsRequest()
        page.MergeFrom(request or page)
        while True:
            response = self._call(self._turns.ListTurns, page, timeout, metadata)
            yield from response.turns
            if not response.next_page_token:
                return
            page.page_token = response.next_page_token

    def get_turn(
        self,
        turn_id: str | None = None,
        *,
        request_id: str | None = None,
        view: TurnView | None = None,
        timeout: float | None = None,
        metadata: MetadataLike = (),
    ) -> GetTurnResponse:
        """A turn, by its id or its request id: how far it is, and what it used and cost. Raises RunnerError."""
        return self._call(self._turns.GetTurn, get_turn_request(turn_id, request_id, view), timeout, metadata)

    def interrupt_turn(
        self, turn_id: str, *, timeout: float | None = None, metadata: MetadataLike = ()
    ) -> InterruptTurnResponse:
        """Stops a turn, whoever began it, and returns when it has ended. Raises RunnerError."""
        return self._call(self._turns.InterruptTurn, InterruptTurnRequest(turn_id=turn_id), timeout, metadata)

    def info(self, *, timeout: float | None = None, metadata: MetadataLike = ()) -> GetInfoResponse:
        """What the server is, and the profiles, models and limits for this token. Costs nothing. Raises RunnerError."""
        return self._call(self._runner.GetInfo, GetInfoRequest(), timeout, metadata)

    def pool(
        self, *, recent_turn_count: int | None = None, timeout: float | None = None, metadata: MetadataLike = ()
    ) -> GetPoolResponse:
        """How the pool of workers is doing right now. Raises RunnerError.

        `recent_turn_count`: how many turns that ran lately to tell, 0 to 100. Default: the server's, 20.
        """
        return self._call(self._pool.GetPool, pool_request(recent_turn_count), timeout, metadata)

    @property
    def channel(self) -> grpc.Channel:
        """The connection, for stubs of your own, such as health's. They need `metadata` where a token is asked for."""
        return self._channel

    @property
    def metadata(self) -> Metadata:
        """What every call of this client carries: the token. Keep it out of logs."""
        return self._metadata

    def close(self) -> None:
        """Closes the connection; turns that run are cancelled. Twice is fine."""
        for call in list(self._going):
            call.cancel()
        self._close()

    def __enter__(self) -> "ClaudeRunner":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<ClaudeRunner {self._name}>"

    def _use(self, channel: grpc.Channel, metadata: Metadata, name: str, close: Callable[[], None]) -> None:
        self._channel = channel
        self._metadata = metadata
        self._name = name
        self._close = close
        self._runner = ClaudeRunnerStub(channel)
        self._pool = PoolServiceStub(channel)
        self._sessions = SessionServiceStub(channel)
        self._turns = TurnServiceStub(channel)
        # Turns that would go on without this client.
        self._going: WeakSet[RejoiningCall | CollectedCall] = WeakSet()

    def _start(
        self,
        request: StreamChatRequest,
        timeout: float | None,
        metadata: MetadataLike,
        *,
        rejoin: bool = False,
        on_answer: Callable[[str], object] | None = None,
        on_start: Callable[[], object] | None = None,
    ) -> Turn:
        record = TurnRecord(on_answer, on_start)
        if rejoin:
            request = sent_again(request)
            attach = AttachTurnRequest(request_id=request.request_id, detail=request.detail)
            return self._rejoining(Rejoining(request, attach), timeout, metadata, record)
        call = self._runner.StreamChat(request, timeout=timeout, metadata=(*self._metadata, *metadata))
        return Turn(call, record)

    def _rejoining(self, rules: Rejoining, timeout: float | None, metadata: MetadataLike, record: TurnRecord) -> Turn:
        call = RejoiningCall(self._turn_calls(metadata), rules, timeout)
        self._going.add(call)
        return Turn(call, record)

    def _turn_calls(self, metadata: MetadataLike) -> TurnCalls:
        return TurnCalls(self._runner, self._turns, (*self._metadata, *metadata))

    def _call(
        self,
        method: "grpc.UnaryUnaryMultiCallable[RequestT, ResponseT]",
        request: RequestT,
        timeout: float | None,
        metadata: MetadataLike,
    ) -> ResponseT:
        try:
            return method(request, timeout=timeout, metadata=(*self._metadata, *metadata))
        except grpc.RpcError as error:
            raise RunnerError.from_rpc_error(error) from error
