"""Which server a client talks to, and how: from arguments, else from the environment."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

import grpc

from ._channel_options import channel_options
from ._tls import PathLike, channel_credentials

DEFAULT_ADDRESS = "127.0.0.1:7433"

Metadata = tuple[tuple[str, str | bytes], ...]
MetadataLike = Sequence[tuple[str, str | bytes]]

# What an HTTP header can carry. gRPC itself would fail each call with "Invalid metadata" and say no more.
_HEADER_SAFE = re.compile(r"[\x21-\x7e]*")


@dataclass(frozen=True, repr=False)
class Target:
    """All that it takes to open a channel and to call through it. Has no repr, since that ends up in logs."""

    address: str
    # None: no TLS.
    credentials: grpc.ChannelCredentials | None
    options: tuple[tuple[str, object], ...]
    # Of every call; carries the token.
    metadata: Metadata


def find_target(
    address: str | None,
    token: str | None,
    *,
    tls: bool,
    ca_file: PathLike | None,
    retry: bool,
    options: Sequence[tuple[str, object]],
) -> Target:
    """The target that the arguments of a client mean."""
    found = address or os.environ.get("CLAUDE_RUNNER_ADDRESS") or DEFAULT_ADDRESS
    if re.match(r"https?://", found):
        raise ValueError(
            f"the address {found!r} is a URL: give host and port of the gRPC port, as in {DEFAULT_ADDRESS!r}"
        )
    credentials = channel_credentials(ca_file) if tls or ca_file is not None else None
    own = dict[str, object](channel_options(retry=retry))
    if credentials is None:
        own["grpc.enable_http_proxy"] = 0  # A proxy that the environment names could read the token.
    return Target(found, credentials, tuple({**own, **dict(options)}.items()), token_metadata(token))


def token_metadata(token: str | None) -> Metadata:
    """The metadata that carries the token; none with an empty one."""
    found = os.environ.get("CLAUDE_RUNNER_TOKEN", "") if token is None else token
    if not _HEADER_SAFE.fullmatch(found):
        # The token itself is in no message.
        raise ValueError("the token has a character that no header carries, such as a space or the end of a line")
    return (("authorization", f"Bearer {found}"),) if found else ()
