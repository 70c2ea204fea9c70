"""The commands, carried out by the blocking client."""

from collections.abc import Callable
from contextlib import ExitStack

import grpc
from google.protobuf.message import Message
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse
from opentelemetry.instrumentation.grpc import client_interceptor
from opentelemetry.instrumentation.grpc.grpcext import intercept_channel

from claude_runner_client import ClaudeRunner, RunnerError, Turn, v1

from . import protocol
from .protocol import Answer, Command, Sample, Stopwatch, StreamLog, Target
from .tracing import client_spans


class Commands:
    """Keeps one client for each target."""

    def __init__(self) -> None:
        self._opened = ExitStack()
        self._runners: dict[Target, ClaudeRunner] = {}
        self._by_name: dict[str, Callable[[Command], Answer]] = {
            "stream": self.stream,
            "text": self.text,
            "chat": self.chat,
            "conversation": self.conversation,
            "session": self.session,
            "attach": self.attach,
            "kept": self.kept,
            "info": self.info,
            "pool": self.pool,
            "health": self.health,
            "reflect": self.reflect,
            "bench": self.bench,
        }

    def __enter__(self) -> "Commands":
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def carry_out(self, command: Command) -> Answer:
        """The answer to a command."""
        return self._by_name[command["do"]](command)

    def stream(self, command: Command) -> Answer:
        """Every event of a turn."""
        if "otlpUrl" not in command:
            return self._watch(self._runner(command), command)
        with client_spans(command["otlpUrl"]) as spans:
            target = Target.of(command)
            with open_runner(target) as plain:
                # Not among the client's interceptors: OpenTelemetry's are of a kind of its own.
                channel = intercept_channel(plain.channel, client_interceptor(tracer_provider=spans.provider))
                answer = self._watch(ClaudeRunner.from_channel(channel, token=target.token), command)
            return {**answer, "traceId": spans.trace_id}

    def text(self, command: Command) -> Answer:
        """The text iterator."""
        pieces: list[str] = []
        failure: Answer = {}
        try:
            # One by one, since what came before an error counts.
            for piece in self._runner(command).stream(protocol.stream_request(command)).text():
                pieces.append(piece)  # noqa: PERF402
        except RunnerError as error:
            failure = protocol.failure(error)
        return {"pieceCount": len(pieces), **protocol.text_facts("".join(pieces)), **failure}

    def chat(self, command: Command) -> Answer:
        """A collected turn."""
        try:
            return protocol.response(
                self._runner(command).chat(protocol.chat_request(command), idempotent=command.get("idempotent", False))
            )
        except RunnerError as error:
            return protocol.failure(error)

    def conversation(self, command: Command) -> Answer:
        """Several turns that know of each other."""
        conversation = self._runner(command).conversation()
        turns: list[Answer] = []
        try:
            for prompt in command["prompts"]:
                turn = conversation.stream(prompt)
                turns.append(protocol.conversation_turn(turn.full_text(), turn))
        except RunnerError as error:
            return {"turns": turns, **protocol.failure(error)}
        return {"turns": turns}

    def session(self, command: Command) -> Answer:
        """Several turns of a session."""
        session = self._runner(command).session(command["sessionId"], **protocol.session_options(command))
        turns: list[Answer] = []
        try:
            for prompt in command["prompts"]:
                turn = session.stream(prompt)
                turns.append(protocol.session_turn(turn.full_text(), turn))
        except RunnerError as error:
            return {"turns": turns, **protocol.failure(error)}
        return {"turns": turns}

    def attach(self, command: Command) -> Answer:
        """Every event of a turn that somebody else has begun."""
        turn = self._runner(command).attach(**protocol.attach_options(command))
        return self._see(turn, command)

    def kept(self, command: Command) -> Answer:
        """A call about what the server keeps."""
        try:
            return protocol.response(self._kept(self._runner(command), command))
        except RunnerError as error:
            return protocol.failure(error)

    def info(self, command: Command) -> Answer:
        """What the server is."""
        try:
            return protocol.response(self._runner(command).info())
        except RunnerError as error:
            return protocol.failure(error)

    def pool(self, command: Command) -> Answer:
        """How its pool is doing."""
        try:
            return protocol.response(self._runner(command).pool())
        except RunnerError as error:
            return protocol.failure(error)

    def health(self, command: Command) -> Answer:
        """The standard health service."""
        try:
            response = HealthStub(self._runner(command).channel).Check(HealthCheckRequest(service=command["service"]))
        except grpc.RpcError as error:
            return protocol.failure(RunnerError.from_rpc_error(error))
        return {"status": HealthCheckResponse.ServingStatus.Name(response.status)}

    def reflect(self, command: Command) -> Answer:
        """The names of all services."""
        runner = self._runner(command)
        list_services = runner.channel.stream_stream(
            protocol.REFLECTION_METHOD,
            request_serializer=ServerReflectionRequest.SerializeToString,
            response_deserializer=ServerReflectionResponse.FromString,
        )
        try:
            answers = list_services(iter([ServerReflectionRequest(list_services="")]), metadata=runner.metadata)
            return protocol.services(list(answers))
        except grpc.RpcError as error:
            return protocol.failure(RunnerError.from_rpc_error(error))

    def bench(self, command: Command) -> Answer:
        """How long turns take."""
        runner, request = self._runner(command), protocol.stream_request(command)
        samples: list[Sample] = []
        failure: Answer = {}
        try:
            for _ in range(command["warmUpCount"] + command["turnCount"]):
                stopwatch = Stopwatch()
                for event in runner.stream(request):
                    stopwatch.take(event)
                samples.append(stopwatch.stop())
        except RunnerError as error:
            failure = protocol.failure(error)
        return {**protocol.bench_answer(samples[command["warmUpCount"] :]), **failure}

    def _watch(self, runner: ClaudeRunner, command: Command) -> Answer:
        turn = runner.stream(
            protocol.stream_request(command),
            rejoin=command.get("rejoin", False),
            timeout=protocol.timeout(command),
            metadata=protocol.headers(command),
        )
        return self._see(turn, command)

    def _see(self, turn: Turn, command: Command) -> Answer:
        log = StreamLog(command.get("afterSequence", 0))
        failure: Answer = {}
        try:
            for event in turn:
                log.take(event, turn.unknown_event_count)
                if log.text_delta_count == command.get("cancelAfterTextDeltas"):
                    turn.cancel()
                if log.text_delta_count == command.get("leaveAfterTextDeltas"):
                    break
        except RunnerError as error:
            failure = protocol.failure(error)
        return {**log.answer(turn), **failure}

    def _kept(self, runner: ClaudeRunner, command: Command) -> Message:
        """What a method gives, in the response of the service."""
        request = protocol.kept_request(command)
        match command["method"]:
            case "createSession":
                return v1.CreateSessionResponse(session=runner.create_session(request))
            case "getSession":
                return v1.GetSessionResponse(session=runner.session(request.id).get())
            case "listSessions":
                return v1.ListSessionsResponse(sessions=runner.sessions(request))
            case "updateSession":
                changes = protocol.update_options(request)
                return v1.UpdateSessionResponse(session=runner.session(request.id).update(**changes))
            case "deleteSession":
                return runner.session(request.id).delete(force=request.force)
            case "forkSession":
                options = protocol.fork_options(request)
                return v1.ForkSessionResponse(session=runner.session(request.id).fork(**options))
            case "listTurns":
                return v1.ListTurnsResponse(turns=runner.turns(request))
            case "getTurn":
                which = request.WhichOneof("turn")
                return runner.get_turn(**{which: getattr(request, which)}, view=request.view)
            case "interruptTurn":
                return runner.interrupt_turn(request.turn_id)
            case method:
                raise ValueError(f"there is no method {method}")

    def _runner(self, command: Command) -> ClaudeRunner:
        target = Target.of(command)
        if target not in self._runners:
            self._runners[target] = self._opened.enter_context(open_runner(target))
        return self._runners[target]


def open_runner(target: Target) -> ClaudeRunner:
    """A client for a target."""
    return ClaudeRunner(target.address, token=target.token, ca_file=target.ca_file, retry=target.retry)
