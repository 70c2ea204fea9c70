"""The client for asyncio."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import TypeVar, final

import grpc
import grpc.aio

from . import v1
from ._aio_conversation import AsyncConversation
from ._aio_rejoining_call import AsyncCollectedCall, AsyncRejoiningCall, AsyncTurnCalls, GoingTurns
from ._aio_session import AsyncSession
from ._aio_turn import AsyncTurn
from ._errors import RunnerError
from ._kept_requests import SessionTurns, attach_request, get_turn_request, sent_again
from ._rejoin import Rejoining
from ._requests import chat_request, pool_request, stream_request
from ._target import Metadata, MetadataLike, find_target, token_metadata
from ._tls import PathLike
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


@final
class AsyncClaudeRunner:
    """A connection to one server, for the event loop it is made in. Whoever made it closes it, best by `async with`."""

    def __init__(
        self,
        address: str | None = None,
        *,
        token: str | None = None,
        tls: bool = False,
        ca_file: PathLike | None = None,
        retry: bool = True,
        options: Sequence[tuple[str, object]] = (),
        interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
    ) -> None:
        """Connects at the first call. The arguments are those of `ClaudeRunner`, interceptors those of `grpc.aio`."""
        _require_loop()
        target = find_target(address, token, tls=tls, ca_file=ca_file, retry=retry, options=options)
        if target.credentials is None:
            channel = grpc.aio.insecure_channel(target.address, options=target.options, interceptors=interceptors)
        else:
            channel = grpc.aio.secure_channel(
                target.address, target.credentials, options=target.options, interceptors=interceptors
            )
        self._use(channel, target.metadata, target.address, channel.close)

    @classmethod
    def from_channel(cls, channel: grpc.aio.Channel, *, token: str | None = None) -> "AsyncClaudeRunner":
        """A client over a channel of your own, which stays open when the client is closed.

        Retry and sizes are then the channel's: give it `channel_options()`. `token`: as for the client.
        """
        runner = cls.__new__(cls)
        runner._use(channel, token_metadata(token), "a channel of its user's", _leave_open)
        return runner

    def stream(
        self,
        request: StreamChatRequest | str,
        *,
        rejoin: bool = False,
        timeout: float | None = None,
        metadata: MetadataLike = (),
    ) -> AsyncTurn:
        """Starts a turn: a prompt alone, or everything that a request can say. Nothing is raised before it is read.

        `rejoin`: whether the turn goes on when its connection breaks, and its stream as well, without a seam, under a
        request id of the client's unless the request has one. It is given up after a minute without a sign of the turn.

        `timeout`: the call's deadline in seconds, retries included. Default: the server's (10 minutes, unless its
        operator says otherwise). `metadata`: more gRPC metadata for this call.
        """
        return self._start(stream_request(request), timeout, metadata, rejoin=rejoin)

    async def chat(
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
            return await self._call(self._runner.Chat, request, timeout, metadata)
        again = sent_again(request)
        call = AsyncCollectedCall(
            lambda remaining: self._call(self._runner.Chat, again, remaining, metadata),
            self._turn_calls(metadata),
            again.request_id,
            timeout,
            self._going,
        )
        return await call.result()

    def attach(
        self,
        turn_id: str | None = None,
        *,
        request_id: str | None = None,
        after_sequence: int = 0,
        detail: Detail | None = None,
        timeout: float | None = None,
        metadata: MetadataLike = (),
    ) -> AsyncTurn:
        """Reads a turn that runs or has run, by its id or its request id, after an event of it.

        It is read like a turn of one's own, and rejoins like one. But leaving it stops the reading only, not the turn.
        """
        request = attach_request(turn_id, request_id, after_sequence, detail)
        return self._rejoining(Rejoining(None, request), timeout, metadata, TurnRecord())

    def conversation(self, template: StreamChatRequest | None = None) -> AsyncConversation:
        """Begins a conversation. `template`: what all of its turns have, such as profile and system prompt.

        The template's history is how the conversation began; its prompt is left unset.
        """
        return AsyncConversation(self._start, self.chat, template)

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
    ) -> AsyncSession:
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
        return AsyncSession(
            session_id,
            turns,
            start=self._start,
            chat=self.chat,
            call=self._call,
            list_turns=self.turns,
            stub=self._sessions,
        )

    async def create_session(
        self,
        request: CreateSessionRequest | None = None,
        *,
        timeout: float | None = None,
        metadata: MetadataLike = (),
    ) -> v1.Session:
        """Makes an empty session; `session` with its id goes on with it. Raises RunnerError."""
        response = await self._call(self._sessions.CreateSession, request or CreateSessionRequest(), timeout, metadata)
        return response.session

    async def sessions(
        self,
        request: ListSessionsRequest | None = None,
        *,
        timeout: float | None = None,
        metadata: MetadataLike = (),
    ) -> AsyncIterator[v1.Session]:
        """All sessions, or those that the request asks for, the one that changed last first. Raises RunnerError.

        They come page by page. `timeout` is that of each page.
        """
        page = ListSessionsRequest()
        page.MergeFrom(request or page)
        while True:
            response = await self._call(self._sessions.ListSessions, page, timeout, metadata)
            for item in response.sessions:
                yield item
            if not response.next_page_token:
                return
            page.page_token = response.next_page_token

    async def turns(
        self,
        request: ListTurnsRequest | None = None,
        *,
        timeout: float | None = None,
        metadata: MetadataLike = (),
    ) -> AsyncIterator[v1.Turn]:
        """All turns, or those that the request asks for: those of a session in order, else the newest first.

        They come page by page. `timeout` is that of each page. Raises RunnerError.
        """
        page = ListTurnsRequest()
        page.MergeFrom(request or page)
        while True:
            response = await self._call(self._turns.ListTurns, page, timeout, metadata)
            for item in response.turns:
                yield item
            if not response.next_page_token:
                return
            page.page_token = response.next_page_token

    async def get_turn(
        self,
        turn_id: str | None = None,
        *,
        request_id: str | None = None,
        view: TurnView | None = None,
        timeout: float | None = None,
        metadata: MetadataLike = (),
    ) -> GetTurnResponse:
        """A turn, by its id or its request id: how far it is, and what it used and cost. Raises RunnerError."""
        return await self._call(self._turns.GetTurn, get_turn_request(turn_id, request_id, view), timeout, metadata)

    async def interrupt_turn(
        self, turn_id: str, *, timeout: float | None = None, metadata: MetadataLike = ()
    ) -> InterruptTurnResponse:
        """Stops a turn, whoever began it, and returns when it has ended. Raises RunnerError."""
        return await self._call(self._turns.InterruptTurn, InterruptTurnRequest(turn_id=turn_id), timeout, metadata)

    async def info(self, *, timeout: float | None = None, metadata: MetadataLike = ()) -> GetInfoResponse:
        """What the server is, and the profiles, models and limits for this token. Costs nothing. Raises RunnerError."""
        return await self._call(self._runner.GetInfo, GetInfoRequest(), timeout, metadata)

    async def pool(
        self, *, recent_turn_count: int | None = None, timeout: float | None = None, metadata: MetadataLike = ()
    ) -> GetPoolResponse:
        """How the pool of workers is doing right now. Raises RunnerError.

        `recent_turn_count`: how many turns that ran lately to tell, 0 to 100. Default: the server's, 20.
        """
        return await self._call(self._pool.GetPool, pool_request(recent_turn_count), timeout, metadata)

    @property
    def channel(self) -> grpc.aio.Channel:
        """The connection, for stubs of your own, such as health's. They need `metadata` where a token is asked for."""
        return self._channel

    @property
    def metadata(self) -> Metadata:
        """What every call of this client carries: the token. Keep it out of logs."""
        return self._metadata

    async def close(self) -> None:
        """Closes the connection; turns that run are cancelled. Twice is fine."""
        await self._going.close()
        await self._close()

    async def __aenter__(self) -> "AsyncClaudeRunner":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AsyncClaudeRunner {self._name}>"

    def _use(
        self, channel: grpc.aio.Channel, metadata: Metadata, name: str, close: Callable[[], Awaitable[None]]
    ) -> None:
        self._channel = channel
        self._metadata = metadata
        self._name = name
        self._close = close
        self._runner = ClaudeRunnerStub(channel)
        self._pool = PoolServiceStub(channel)
        self._sessions = SessionServiceStub(channel)
        self._turns = TurnServiceStub(channel)
        self._going = GoingTurns()

    def _start(
        self,
        request: StreamChatRequest,
        timeout: float | None,
        metadata: MetadataLike,
        *,
        rejoin: bool = False,
        on_answer: Callable[[str], object] | None = None,
        on_start: Callable[[], object] | None = None,
    ) -> AsyncTurn:
        record = TurnRecord(on_answer, on_start)
        if rejoin:
            request = sent_again(request)
            attach = AttachTurnRequest(request_id=request.request_id, detail=request.detail)
            return self._rejoining(Rejoining(request, attach), timeout, metadata, record)
        call = self._runner.StreamChat(request, timeout=timeout, metadata=(*self._metadata, *metadata))
        return AsyncTurn(call, record)

    def _rejoining(
        self, rules: Rejoining, timeout: float | None, metadata: MetadataLike, record: TurnRecord
    ) -> AsyncTurn:
        call = AsyncRejoiningCall(self._turn_calls(metadata), rules, timeout, self._going)
        return AsyncTurn(call, record)

    def _turn_calls(self, metadata: MetadataLike) -> AsyncTurnCalls:
        return AsyncTurnCalls(self._runner, self._turns, (*self._metadata, *metadata))

    async def _call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT],
        request: RequestT,
        timeout: float | None,
        metadata: MetadataLike,
    ) -> ResponseT:
        try:
            return await method(request, timeout=timeout, metadata=(*self._metadata, *metadata))
        except grpc.RpcError as error:
            raise RunnerError.from_rpc_error(error) from error


def _require_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        # gRPC would take some other loop, and each call would fail later.
        raise RuntimeError(
            "make an AsyncClaudeRunner inside of a coroutine: it belongs to the running event loop"
        ) from None


async def _leave_open() -> None:
    """Closes nothing: the channel is its user's."""
