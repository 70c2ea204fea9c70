"""How a client sets up its connection: sizes, keepalive, retry."""

import json
from importlib.metadata import version

from .v1 import pool_pb2, runner_pb2, turn_pb2

# The values are texts and numbers; gRPC's own annotations say no more than this.
ChannelOptions = tuple[tuple[str, str | int], ...]

_MIB = 1024 * 1024
_KIB = 1024

# No event exceeds 1 MiB and no answer 4 MiB; twice that leaves room for what a newer server adds.
_MAX_RECEIVE_BYTES = 8 * _MIB

# Details of a status have up to 4 KiB and its message up to 1 KiB, which encoding makes three times as long at worst.
# gRPC refuses at random between its own two bounds of 8 and 16 KiB, and the details would be lost.
_MAX_METADATA_BYTES = 32 * _KIB

# With calls open only. A server that is gone is noticed after both together; in a silent turn the server says something
# every 15 seconds.
_KEEPALIVE_TIME_MS = 60_000
_KEEPALIVE_TIMEOUT_MS = 20_000

# gRPC does it, the server's push-back included. With 1.85.1 a call may hang until its deadline when that is 0
# (grpc/grpc#41036), and fails with INTERNAL when it is no number. The server says 250 ms at the least, or never.
_RETRY = {
    "methodConfig": [
        {
            "name": [
                *(
                    {"service": service.full_name}
                    for file in (runner_pb2, pool_pb2, turn_pb2)
                    for service in file.DESCRIPTOR.services_by_name.values()
                ),
                # Not what makes, copies or deletes a session: with its answer lost nobody knows whether it was done.
                *(
                    {"service": "claude.runner.v1.SessionService", "method": method}
                    for method in ("GetSession", "ListSessions", "UpdateSession")
                ),
            ],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.2s",
                "maxBackoff": "10s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
}


def channel_options(*, retry: bool = True) -> ChannelOptions:
    """The options that a client gives to its channel, for a channel of your own that is to behave alike.

    `retry`: whether a call that failed with UNAVAILABLE is made again, as long as nothing of its answer came: four
    attempts in all, 0.2 s apart and doubling up to 10 s unless the server says when, and never when it says not to. A
    deadline bounds them together.
    """
    options: ChannelOptions = (
        ("grpc.max_receive_message_length", _MAX_RECEIVE_BYTES),
        ("grpc.max_metadata_size", _MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", _MAX_METADATA_BYTES),
        ("grpc.keepalive_time_ms", _KEEPALIVE_TIME_MS),
        ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 0),
        # Who reads an answer sends nothing meanwhile, and pings all the same.
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.primary_user_agent", f"claude-runner-client-python/{version('claude-runner-client')}"),
    )
    return (*options, ("grpc.service_config", json.dumps(_RETRY))) if retry else options
