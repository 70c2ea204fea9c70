"""The client for asyncio."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import TypeVar, final

import grpc
import grpc.aio

from ._aio_conversation import AsyncConversation
from ._aio_turn import AsyncTurn
from ._errors import RunnerError
from ._requests import chat_request, pool_request, stream_request
from ._target import Metadata, MetadataLike, find_target, token_metadata
from ._tls import PathLike
from ._turn_record import TurnRecord
from .v1 import (
    ChatRequest,
    ChatResponse,
    ClaudeRunnerStub,
    GetInfoRequest,
    GetInfoResponse,
    GetPoolResponse,
    PoolServiceStub,
    StreamChatRequest,
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
        self, request: StreamChatRequest | str, *, timeout: float | None = None, metadata: MetadataLike = ()
    ) -> AsyncTurn:
        """Starts a turn: a prompt alone, or everything that a request can say. Nothing is raised before it is read.

        `timeout`: the call's deadline in seconds, retries included. Default: the server's (10 minutes, unless its
        operator says otherwise). `metadata`: more gRPC metadata for this call.
        """
        return self._start(stream_request(request), timeout, metadata)

    async def chat(
        self, request: ChatRequest | str, *, timeout: float | None = None, metadata: MetadataLike = ()
    ) -> ChatResponse:
        """Runs a whole turn and answers when it is over. `timeout` and `metadata`: see `stream`. Raises RunnerError."""
        return await self._call(self._runner.Chat, chat_request(request), timeout, metadata)

    def conversation(self, template: StreamChatRequest | None = None) -> AsyncConversation:
        """Begins a conversation. `template`: what all of its turns have, such as profile and system prompt.

        The template's history is how the conversation began; its prompt is left unset.
        """
        return AsyncConversation(self._start, self.chat, template)

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

    def _start(
        self,
        request: StreamChatRequest,
        timeout: float | None,
        metadata: MetadataLike,
        on_answer: Callable[[str], object] | None = None,
    ) -> AsyncTurn:
        call = self._runner.StreamChat(request, timeout=timeout, metadata=(*self._metadata, *metadata))
        return AsyncTurn(call, TurnRecord(on_answer))

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
