"""Run by check.sh in an environment that has the wheel and nothing of this repository: a user's first minutes."""

import importlib.util
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import grpc

import claude_runner_client
from claude_runner_client import ClaudeRunner, Outcome, StreamChatRequest, StreamChatResponse, TurnResult, v1


class Parrot(v1.ClaudeRunnerServicer):
    """A server that repeats what it hears."""

    def StreamChat(self, request: StreamChatRequest, context: grpc.ServicerContext) -> Iterator[StreamChatResponse]:
        """One turn."""
        del context
        yield StreamChatResponse(sequence=1, started=v1.Started())
        yield StreamChatResponse(sequence=2, text_delta=v1.TextDelta(text=request.prompt))
        yield StreamChatResponse(sequence=3, result=TurnResult(outcome=Outcome.OUTCOME_COMPLETED))


def main() -> None:
    """Fails by an exception."""
    where = Path(claude_runner_client.__file__)
    assert where.is_relative_to(sys.prefix), f"{where} is not what was installed"
    assert (where.parent / "py.typed").exists(), "the types are not announced"
    assert all(importlib.util.find_spec(name) is None for name in ("claude", "buf", "tests", "driver"))

    server = grpc.server(ThreadPoolExecutor(max_workers=2))
    v1.add_ClaudeRunnerServicer_to_server(Parrot(), server)  # type: ignore[abstract]  # It answers to one call only.
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with ClaudeRunner(f"127.0.0.1:{port}", token="secret-1") as runner:
            assert "".join(runner.stream("Say hello").text()) == "Say hello"
    finally:
        server.stop(grace=None).wait()
    print(f"claude-runner-client {version('claude-runner-client')} works where nothing else is installed")


if __name__ == "__main__":
    main()
