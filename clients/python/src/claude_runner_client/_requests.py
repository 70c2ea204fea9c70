"""Requests out of what callers give: a prompt alone, or the whole message."""

from .v1 import ChatRequest, GetPoolRequest, StreamChatRequest


def stream_request(request: StreamChatRequest | str) -> StreamChatRequest:
    """The request to stream a turn."""
    if isinstance(request, str):
        return StreamChatRequest(prompt=request)
    if isinstance(request, StreamChatRequest):
        return request
    raise TypeError(f"stream takes a prompt or a StreamChatRequest, not {type(request).__name__}")


def chat_request(request: ChatRequest | str) -> ChatRequest:
    """The request to collect a turn."""
    if isinstance(request, str):
        return ChatRequest(prompt=request)
    if isinstance(request, ChatRequest):
        return request
    raise TypeError(f"chat takes a prompt or a ChatRequest, not {type(request).__name__}")


def collected(request: StreamChatRequest) -> ChatRequest:
    """The same turn, to be collected: both requests have the same fields under the same numbers, except `detail`."""
    copy = StreamChatRequest()
    copy.CopyFrom(request)
    copy.ClearField("detail")
    return ChatRequest.FromString(copy.SerializeToString())


def pool_request(recent_turn_count: int | None) -> GetPoolRequest:
    """The request for the state of the pool."""
    return GetPoolRequest(recent_turn_count=recent_turn_count)
