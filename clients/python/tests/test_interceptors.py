"""Interceptors and channels of the user's own. Some leave of a stream nothing but a generator."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import grpc
import grpc.aio
import pytest

from claude_runner_client import AsyncClaudeRunner, ClaudeRunner, RunnerError, channel_options

from .scripted_server import PATIENCE_SECONDS, Failure, ScriptedServer, Step, UntilCancelled, answer, info


class Wrapping(grpc.UnaryStreamClientInterceptor):
    """Hides the call, as OpenTelemetry's does: what comes back has no `cancel`."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def intercept_unary_stream(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        return self._wrap(continuation, details, request)

    def _wrap(self, continuation: Callable[..., Any], details: Any, request: Any) -> Iterator[Any]:
        try:
            yield from continuation(details, request)
        finally:
            self.closed.set()


class AsyncWrapping(grpc.aio.UnaryStreamClientInterceptor):
    """The same for asyncio."""

    async def intercept_unary_stream(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        return self._wrap(await continuation(details, request))

    async def _wrap(self, call: Any) -> AsyncIterator[Any]:
        async for response in call:
            yield response


def test_a_wrapped_turn_is_read_to_its_end(server: ScriptedServer) -> None:
    with ClaudeRunner(server.address, interceptors=[Wrapping()]) as runner:
        assert runner.stream("x").full_text() == "You said: x"


def test_a_wrapped_turn_that_is_left_is_cancelled(server: ScriptedServer) -> None:
    server.scripts.append([*answer("a")[:2], UntilCancelled()])
    wrapping = Wrapping()
    with ClaudeRunner(server.address, interceptors=[wrapping]) as runner:
        turn = runner.stream("x")
        for _ in turn.text():
            break
        assert server.calls[0].over.wait(PATIENCE_SECONDS)
        assert wrapping.closed.is_set()
        with pytest.raises(RunnerError, match="CANCELLED"):
            turn.result()


def test_a_wrapped_turn_that_failed_says_why(server: ScriptedServer) -> None:
    server.scripts.append([Failure(grpc.StatusCode.ABORTED, details=[info("DRAINED")])])
    with ClaudeRunner(server.address, interceptors=[Wrapping()]) as runner:
        with pytest.raises(RunnerError, match="ABORTED DRAINED"):
            runner.stream("x").full_text()


def test_another_thread_cancels_a_wrapped_turn_at_its_next_event(server: ScriptedServer) -> None:
    cancelled = threading.Event()

    def script() -> Iterator[Step]:
        yield answer()[0]
        cancelled.wait(PATIENCE_SECONDS)
        yield answer("after all")[1]
        yield UntilCancelled()

    server.scripts.append(script())  # type: ignore[arg-type]
    with ClaudeRunner(server.address, interceptors=[Wrapping()]) as runner:
        turn = runner.stream("x")
        events = iter(turn)
        next(events)
        failures: list[BaseException] = []

        def read() -> None:
            try:
                next(events)
            except RunnerError as error:
                failures.append(error)

        reader = threading.Thread(target=read)
        reader.start()
        turn.cancel()
        cancelled.set()
        reader.join(PATIENCE_SECONDS)
        assert [str(failure) for failure in failures] == ["CANCELLED: the turn was cancelled"]
        assert server.calls[0].over.wait(PATIENCE_SECONDS)


async def test_a_wrapped_turn_of_asyncio_is_cancelled_as_any_other(server: ScriptedServer) -> None:
    script: list[Step] = [*answer("a")[:2], UntilCancelled()]
    server.scripts.extend([script, script])
    async with AsyncClaudeRunner(server.address, interceptors=[AsyncWrapping()]) as runner:
        async for _ in runner.stream("x").text():
            break
        assert await asyncio.to_thread(server.calls[0].over.wait, PATIENCE_SECONDS)
        turn = runner.stream("x")
        with pytest.raises(RunnerError, match="CANCELLED"):
            async for _ in turn.text():
                turn.cancel()
        assert await asyncio.to_thread(server.calls[1].over.wait, PATIENCE_SECONDS)
        assert await runner.stream("x").full_text() == "You said: x"


def test_a_channel_of_your_own_stays_open(server: ScriptedServer) -> None:
    with grpc.insecure_channel(server.address, options=channel_options()) as channel:
        for _ in range(2):
            with ClaudeRunner.from_channel(channel, token="secret-1") as runner:
                assert runner.info().tenant == "secret-1"
                assert runner.channel is channel
                assert "secret-1" not in repr(runner)


async def test_a_channel_of_your_own_stays_open_in_asyncio(server: ScriptedServer) -> None:
    async with grpc.aio.insecure_channel(server.address, options=channel_options()) as channel:
        for _ in range(2):
            async with AsyncClaudeRunner.from_channel(channel, token="secret-1") as runner:
                assert (await runner.info()).tenant == "secret-1"
                assert runner.channel is channel
