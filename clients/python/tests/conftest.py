"""What tests share: a server, and both clients by turns."""

import os
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import trustme

from claude_runner_client import AsyncClaudeRunner

from .either_client import BlockingRunner, Open
from .scripted_server import ScriptedServer


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    trust = ("SSL_CERT_FILE", "SSL_CERT_DIR", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH")
    for name in [name for name in os.environ if name.startswith("CLAUDE_RUNNER_") or name in trust]:
        monkeypatch.delenv(name)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A server that listens."""
    server = ScriptedServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Whom nobody but a test trusts."""
    return trustme.CA()


@pytest.fixture
def tls_server(authority: trustme.CA) -> Iterator[ScriptedServer]:
    """A server that listens with TLS."""
    certificate = authority.issue_cert("127.0.0.1")
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    server = ScriptedServer()
    server.start(grpc.ssl_server_credentials([(certificate.private_key_pem.bytes(), chain)]))
    yield server
    server.stop()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    """The authority of `tls_server` as a file."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture(params=[BlockingRunner, AsyncClaudeRunner], ids=["blocking", "asyncio"])
def open_runner(request: pytest.FixtureRequest) -> Open:
    """Makes a client, of either kind."""
    kind: Open = request.param
    return kind
