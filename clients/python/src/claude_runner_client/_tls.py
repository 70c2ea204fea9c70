"""Whom a client trusts when it talks TLS: the authorities of a file, or those of the system."""

import os
import re
import ssl
from pathlib import Path

import grpc

PathLike = str | os.PathLike[str]


def channel_credentials(ca_file: PathLike | None) -> grpc.ChannelCredentials:
    """Credentials that verify the server against the authorities in a PEM file, else against the system's."""
    return grpc.ssl_channel_credentials(system_roots() if ca_file is None else Path(ca_file).read_bytes())


def system_roots() -> bytes | None:
    """The authorities that Python's `ssl` trusts here, as PEM. None: it knows none, so gRPC uses those that it brings.

    Left to itself grpcio never looks at the system's, so an authority that a company has added would not count.
    """
    if "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH" in os.environ:
        return None  # gRPC's own way to say it, and its users expect it to hold.
    loaded = ssl.create_default_context().get_ca_certs(binary_form=True)
    if loaded:
        return "".join(ssl.DER_cert_to_PEM_cert(authority) for authority in loaded).encode()
    # Where OpenSSL has a folder instead of a file it looks certificates up one by one, by these names.
    folder = ssl.get_default_verify_paths().capath
    if folder is None:
        return None
    files = sorted(path for path in Path(folder).iterdir() if re.fullmatch(r"[0-9a-f]{8}\.\d+", path.name))
    return b"\n".join(path.read_bytes() for path in files) or None
