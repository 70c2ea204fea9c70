"""Where a client goes, and what it brings along."""

import ssl
from pathlib import Path

import pytest
import trustme

from claude_runner_client import RunnerError, channel_options
from claude_runner_client._target import find_target

from .either_client import Open
from .scripted_server import ScriptedServer


async def test_the_token_goes_with_every_call(server: ScriptedServer, open_runner: Open) -> None:
    async with open_runner(server.address, token="secret-1") as runner:
        await runner.stream("x", metadata=[("x-job", "7")]).full_text()
        await runner.chat("x")
        assert (await runner.info()).tenant == "secret-1"
        assert (await runner.pool()).pool.serving
    assert [call.metadata["authorization"] for call in server.calls] == ["Bearer secret-1"] * 2
    assert server.calls[0].metadata["x-job"] == "7"


async def test_address_and_token_come_from_the_environment(
    server: ScriptedServer, open_runner: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAUDE_RUNNER_ADDRESS", server.address)
    monkeypatch.setenv("CLAUDE_RUNNER_TOKEN", "of-the-environment")
    async with open_runner() as runner:
        assert (await runner.info()).tenant == "of-the-environment"
    async with open_runner(server.address, token="") as runner:
        assert (await runner.info()).tenant == ""


def test_without_an_environment_it_is_the_default_port() -> None:
    target = find_target(None, None, tls=False, ca_file=None, retry=True, options=())
    assert (target.address, target.metadata, target.credentials) == ("127.0.0.1:7433", (), None)


async def test_nothing_shows_the_token(server: ScriptedServer, open_runner: Open) -> None:
    async with open_runner(server.address, token="secret-1") as runner:
        assert server.address in repr(runner)
        assert "secret-1" not in repr(runner)
    for token in ("secret-1\n", "secret 1", "sécret-1"):
        with pytest.raises(ValueError, match="no header carries") as raised:
            open_runner(server.address, token=token)
        assert token not in str(raised.value)


async def test_a_url_is_refused_with_what_to_give_instead(open_runner: Open) -> None:
    with pytest.raises(ValueError, match="is a URL: give host and port"):
        open_runner("http://127.0.0.1:7434")


async def test_no_proxy_reads_a_token_that_goes_without_tls(
    server: ScriptedServer, open_runner: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("grpc_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    async with open_runner(server.address, retry=False) as runner:
        await runner.info()


async def test_options_of_the_caller_win(server: ScriptedServer, open_runner: Open) -> None:
    async with open_runner(server.address, options=[("grpc.max_receive_message_length", 8)]) as runner:
        with pytest.raises(RunnerError, match="RESOURCE_EXHAUSTED"):
            await runner.chat("more than eight bytes")


def test_the_options_for_a_channel_of_your_own_have_the_retry_or_not() -> None:
    assert "grpc.service_config" in dict(channel_options())
    assert "grpc.service_config" not in dict(channel_options(retry=False))


async def test_tls_trusts_the_authority_in_a_file(tls_server: ScriptedServer, open_runner: Open, ca_file: Path) -> None:
    async with open_runner(tls_server.address, token="secret-1", ca_file=ca_file) as runner:
        assert (await runner.info()).tenant == "secret-1"


async def test_tls_trusts_the_systems_authorities(
    tls_server: ScriptedServer, open_runner: Open, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    async with open_runner(tls_server.address, token="secret-1", tls=True) as runner:
        assert (await runner.info()).tenant == "secret-1"


async def test_tls_trusts_the_systems_authorities_where_they_are_a_folder(
    tls_server: ScriptedServer, open_runner: Open, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca_file.rename(ca_file.with_name("1a2b3c4d.0"))
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))  # It is gone.
    monkeypatch.setenv("SSL_CERT_DIR", str(ca_file.parent))
    assert ssl.create_default_context().get_ca_certs() == []
    async with open_runner(tls_server.address, token="secret-1", tls=True) as runner:
        assert (await runner.info()).tenant == "secret-1"


async def test_tls_trusts_nobody_else(tls_server: ScriptedServer, open_runner: Open, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "another.pem")
    async with open_runner(tls_server.address, ca_file=tmp_path / "another.pem", retry=False) as runner:
        with pytest.raises(RunnerError, match="UNAVAILABLE"):
            await runner.info()
    assert tls_server.calls == []
