"""A session of the blocking client: a conversation that the server keeps, by its id."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, final

from . import v1
from ._kept_requests import SessionTurns, fork_request, update_request
from ._requests import collected
from ._target import MetadataLike
from ._turn import Turn
from .v1 import ChatResponse, SessionServiceStub, StreamChatRequest


@final
class Session:
    """A handle: the session's id, and what its turns have in common. Any number of handles may name one session.

    It keeps nothing else. A turn that comes while another one runs fails with SESSION_BUSY, unless the handle's
    `busy_policy` says otherwise.
    """

    def __init__(
        self,
        session_id: str,
        turns: SessionTurns,
        *,
        start: Callable[..., Turn],
        chat: Callable[..., ChatResponse],
        call: Callable[..., Any],
        list_turns: Callable[..., Iterator[v1.Turn]],
        stub: SessionServiceStub,
    ) -> None:
        """Made by `ClaudeRunner.session`."""
        self._id = session_id
        self._requests = turns
        self._start = start
        self._chat = chat
        self._call = call
        self._list_turns = list_turns
        self._stub = stub

    @property
    def id(self) -> str:
        """The session's id."""
        return self._id

    def stream(
        self,
        request: StreamChatRequest | str,
        *,
        rejoin: bool = False,
        timeout: float | None = None,
        metadata: MetadataLike = (),
    ) -> Turn:
        """Starts the session's next turn: a prompt alone, or a request. See `ClaudeRunner.stream`."""
        turn = self._requests.request(request)
        return self._start(turn, timeout, metadata, rejoin=rejoin, on_start=self._requests.begun)

    def chat(
        self,
        request: StreamChatRequest | str,
        *,
        idempotent: bool = False,
        timeout: float | None = None,
        metadata: MetadataLike = (),
    ) -> ChatResponse:
        """Runs the session's next turn and answers when it is over. See `ClaudeRunner.chat`."""
        turn = collected(self._requests.request(request))
        response = self._chat(turn, idempotent=idempotent, timeout=timeout, metadata=metadata)
        self._requests.begun()
        return response

    def get(self, *, timeout: float | None = None, metadata: MetadataLike = ()) -> v1.Session:
        """What the session is. Raises RunnerError, as everything here does."""
        request = v1.GetSessionRequest(id=self._id)
        response: v1.GetSessionResponse = self._call(self._stub.GetSession, request, timeout, metadata)
        return response.session

    def update(
        self,
        *,
        title: str | None = None,
        labels: Mapping[str, str] | None = None,
        idle_expiry: float | None = None,
        timeout: float | None = None,
        metadata: MetadataLike = (),
    ) -> v1.Session:
        """Changes what is given. `labels` replace all the old ones; `idle_expiry` is in seconds, from now on."""
        request = update_request(self._id, title, labels, idle_expiry)
        response: v1.UpdateSessionResponse = self._call(self._stub.UpdateSession, request, timeout, metadata)
        return response.session

    def delete(
        self, *, force: bool = False, timeout: float | None = None, metadata: MetadataLike = ()
    ) -> v1.DeleteSessionResponse:
        """Deletes the session and all its words. `force`: interrupt the turn that runs in it, instead of failing."""
        request = v1.DeleteSessionRequest(id=self._id, force=force)
        response: v1.DeleteSessionResponse = self._call(self._stub.DeleteSession, request, timeout, metadata)
        return response

    def fork(
        self,
        *,
        new_id: str = "",
        last_turn_id: str | None = None,
        before_turn_id: str | None = None,
        title: str | None = None,
        timeout: float | None = None,
        metadata: MetadataLike = (),
    ) -> v1.Session:
        """Copies the conversation into a new session: all of it, or up to `last_turn_id`, or ahead of `before_turn_id`.

        `new_id`: default: the server chooses. `title`: default: the title of this one.
        """
        request = fork_request(self._id, new_id, last_turn_id, before_turn_id, title)
        response: v1.ForkSessionResponse = self._call(self._stub.ForkSession, request, timeout, metadata)
        return response.session

    def turns(self, *, timeout: float | None = None, metadata: MetadataLike = ()) -> Iterator[v1.Turn]:
        """The session's turns with what was said in them, from the first one on. `timeout` is that of each page."""
        request = v1.ListTurnsRequest(session_id=self._id, view=v1.TurnView.TURN_VIEW_FULL)
        return self._list_turns(request, timeout=timeout, metadata=metadata)
