"""The blocking client."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TypeVar, final

import grpc

from ._conversation import Conversation
from ._errors import RunnerError
from ._requests import chat_request, pool_request, stream_request
from ._target import Metadata, MetadataLike, find_target, token_metadata
from ._tls import PathLike
from ._turn import Turn
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
        self, request: StreamChatRequest | str, *, timeout: float | None = None, metadata: MetadataLike = ()
    ) -> Turn:
        """Starts a turn: a prompt alone, or everything that a request can say. Nothing is raised before it is read.

        `timeout`: the call's deadline in seconds, retries included. Default: the server's (10 minutes, unless its
        operator says otherwise). `metadata`: more gRPC metadata for this call.
        """
        return self._start(stream_request(request), timeout, metadata)

    def chat(
        self, request: ChatRequest | str, *, timeout: float | None = None, metadata: MetadataLike = ()
    ) -> ChatResponse:
        """Runs a whole turn and answers when it is over. `timeout` and `metadata`: see `stream`. Raises RunnerError."""
        return self._call(self._runner.Chat, chat_request(request), timeout, metadata)

    def conversation(self, template: StreamChatRequest | None = None) -> Conversation:
        """Begins a conversation. `template`: what all of its turns have, such as profile and system prompt.

        The template's history is how the conversation began; its prompt is left unset.
        """
        return Conversation(self._start, self.chat, template)

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

    def _start(
        self,
        request: StreamChatRequest,
        timeout: float | None,
        metadata: MetadataLike,
        on_answer: Callable[[str], object] | None = None,
    ) -> Turn:
        call = self._runner.StreamChat(request, timeout=timeout, metadata=(*self._metadata, *metadata))
        return Turn(call, TurnRecord(on_answer))

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
