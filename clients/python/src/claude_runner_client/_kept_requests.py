"""Requests about what the server keeps, out of what callers give, and the request of a session's next turn."""

from collections.abc import Mapping
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from ._request_id import new_request_id
from .v1 import (
    AttachTurnRequest,
    BusyPolicy,
    ChatRequest,
    Detail,
    ForkSessionRequest,
    GetTurnRequest,
    OnDisconnect,
    StreamChatRequest,
    TurnView,
    UpdateSessionRequest,
)

TurnRequestT = TypeVar("TurnRequestT", StreamChatRequest, ChatRequest)


def sent_again(request: TurnRequestT) -> TurnRequestT:
    """The same request, such that the server runs it once however often it is sent, and its turn outlives a call."""
    again = type(request)()
    again.CopyFrom(request)
    again.on_disconnect = OnDisconnect.ON_DISCONNECT_CONTINUE
    again.request_id = request.request_id or new_request_id()
    return again


def attach_request(
    turn_id: str | None, request_id: str | None, after_sequence: int, detail: Detail | None
) -> AttachTurnRequest:
    """The request to read a turn."""
    _require_one(turn_id, request_id)
    return AttachTurnRequest(turn_id=turn_id, request_id=request_id, after_sequence=after_sequence, detail=detail)


def get_turn_request(turn_id: str | None, request_id: str | None, view: TurnView | None) -> GetTurnRequest:
    """The request for a turn."""
    _require_one(turn_id, request_id)
    return GetTurnRequest(turn_id=turn_id, request_id=request_id, view=view)


def update_request(
    session_id: str, title: str | None, labels: Mapping[str, str] | None, idle_expiry: float | None
) -> UpdateSessionRequest:
    """The request that changes what is not None."""
    changes = {"title": title, "labels": labels, "idle_expiry": idle_expiry}
    return UpdateSessionRequest(
        id=session_id,
        update_mask=FieldMask(paths=[path for path, value in changes.items() if value is not None]),
        title=title,
        labels=labels,
        idle_expiry=duration(idle_expiry),
    )


def fork_request(
    session_id: str, new_id: str, last_turn_id: str | None, before_turn_id: str | None, title: str | None
) -> ForkSessionRequest:
    """The request that copies a session."""
    if last_turn_id is not None and before_turn_id is not None:
        raise ValueError("a fork ends with last_turn_id or ahead of before_turn_id: give one of them at most")
    return ForkSessionRequest(
        id=session_id, new_id=new_id, last_turn_id=last_turn_id, before_turn_id=before_turn_id, title=title
    )


def duration(seconds: float | None) -> Duration | None:
    """Seconds as the contract has them."""
    if seconds is None:
        return None
    made = Duration()
    made.FromNanoseconds(round(seconds * 1e9))
    return made


class SessionTurns:
    """The request that every turn of a session starts from."""

    def __init__(
        self,
        session_id: str,
        template: StreamChatRequest | None,
        *,
        create: bool,
        title: str,
        labels: Mapping[str, str] | None,
        idle_expiry: float | None,
        busy_policy: BusyPolicy,
    ) -> None:
        self._template = StreamChatRequest()
        if template is not None:
            if template.prompt or template.content or template.history:
                raise ValueError(
                    "a session gets its prompts one by one and has its history: leave prompt, content and history unset"
                )
            self._template.CopyFrom(template)
        self._template.session.id = session_id
        if title:
            self._template.session.title = title
        if labels is not None:
            self._template.session.labels.update(labels)
        if (expiry := duration(idle_expiry)) is not None:
            self._template.session.idle_expiry.CopyFrom(expiry)
        if busy_policy:
            self._template.busy_policy = busy_policy
        self._may_create = create

    def request(self, turn: StreamChatRequest | str) -> StreamChatRequest:
        """The request of the next turn. What the turn leaves out is the template's."""
        request = StreamChatRequest()
        request.CopyFrom(self._template)
        if isinstance(turn, str):
            request.prompt = turn
        else:
            request.MergeFrom(turn)
        request.session.id = self._template.session.id
        request.session.allow_missing = self._may_create
        return request

    def begun(self) -> None:
        """The session is there: no later turn creates it, if it is deleted meanwhile."""
        self._may_create = False


def _require_one(turn_id: str | None, request_id: str | None) -> None:
    if (turn_id is None) == (request_id is None):
        raise ValueError("which turn? give turn_id or request_id, and not both")
