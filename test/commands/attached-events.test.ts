import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { OnDisconnect, type StreamChatRequest } from "../../gen/claude/runner/v1/runner_pb.ts";
import type { AttachTurnRequest } from "../../gen/claude/runner/v1/turn_pb.ts";
import { attachedEvents, begunEvents } from "../../src/commands/attached-events.ts";
import { RunnerError } from "../../src/runner-error.ts";
import { toConnectError } from "../../src/service/errors.ts";
import { type KeptServer, keptServer } from "./kept-server.ts";

const turnId = "0198f3d2-5c1e-7d61-9c0e-2f6b8a1f0f10";
const text = (sequence: number) => ({
  sequence,
  turnId,
  event: { case: "textDelta" as const, value: { text: `${sequence}` } },
});
const result = (sequence: number) => ({ sequence, turnId, event: { case: "result" as const, value: {} } });
const cut = () => new ConnectError("the stream was reset", Code.Unavailable);

async function begin(server: KeptServer, stop = new AbortController()) {
  const { transport } = keptServer(server);
  const said: string[] = [];
  const got: number[] = [];
  let failure: unknown;
  try {
    const events = begunEvents({
      transport,
      request: { prompt: "hi", session: { id: "trip" } },
      requestId: "r1",
      stop: stop.signal,
      say: (line) => said.push(line),
      wait: async () => undefined,
    });
    for await (const { sequence } of events) got.push(sequence);
  } catch (error) {
    failure = error;
  }
  return { got, failure, said };
}

describe("a turn that is begun in a session", () => {
  it("goes on without its caller, who reads it again after the last event", async () => {
    const asked: StreamChatRequest[] = [];
    const attached: AttachTurnRequest[] = [];
    const found = await begin({
      runner: {
        async *streamChat(request) {
          asked.push(request);
          yield text(1);
          throw cut();
        },
      },
      turns: {
        async *attachTurn(request) {
          attached.push(request);
          yield { message: { case: "state", value: { id: turnId } } };
          yield { message: { case: "event", value: text(2) } };
          yield { message: { case: "replayComplete", value: { lastSequence: 2 } } };
          yield { message: { case: "event", value: result(3) } };
        },
      },
    });
    expect(found).toMatchObject({ got: [1, 2, 3], failure: undefined });
    expect(asked).toMatchObject([{ requestId: "r1", onDisconnect: OnDisconnect.CONTINUE, session: { id: "trip" } }]);
    expect(attached).toMatchObject([{ turn: { case: "requestId", value: "r1" }, afterSequence: 1 }]);
  });

  it("is asked for again under the same request id, when nothing came", async () => {
    const asked: string[] = [];
    const found = await begin({
      runner: {
        async *streamChat({ requestId }) {
          asked.push(requestId);
          if (asked.length === 1) throw cut();
          yield result(1);
        },
      },
    });
    expect(found.got).toEqual([1]);
    expect(asked).toEqual(["r1", "r1"]);
  });

  it("is stopped by its id, and its result still comes", async () => {
    const stop = new AbortController();
    const stopped = Promise.withResolvers<string>();
    const found = await begin(
      {
        runner: {
          async *streamChat(_, { responseHeader }) {
            responseHeader.set("claude-runner-turn-id", turnId);
            yield text(1);
            stop.abort();
            await stopped.promise;
            yield result(2);
            throw toConnectError(new RunnerError("TURN_INTERRUPTED", "stopped"));
          },
        },
        turns: {
          interruptTurn({ turnId: id }) {
            stopped.resolve(id);
            return { interrupted: true };
          },
        },
      },
      stop,
    );
    expect(await stopped.promise).toBe(turnId);
    expect(found.got).toEqual([1, 2]);
    expect(String(found.failure)).toContain("stopped");
  });

  it("is stopped by its request id while it waits, when nothing has come of it", async () => {
    const stop = new AbortController();
    const stopped = Promise.withResolvers<string>();
    const found = await begin(
      {
        runner: {
          // biome-ignore lint/correctness/useYield: it is stopped before its first event
          async *streamChat() {
            stop.abort();
            await stopped.promise;
            throw toConnectError(new RunnerError("TURN_INTERRUPTED", "stopped"));
          },
        },
        turns: {
          getTurn: ({ turn }) => ({ turn: { id: turn.value === "r1" ? turnId : "" } }),
          interruptTurn({ turnId: id }) {
            stopped.resolve(id);
            return { interrupted: true };
          },
        },
      },
      stop,
    );
    expect(await stopped.promise).toBe(turnId);
    expect(String(found.failure)).toContain("stopped");
  });

  it("is left, with a word that it goes on, when the server cannot be asked to stop it", async () => {
    const stop = new AbortController();
    const found = await begin(
      {
        runner: {
          async *streamChat(_, { responseHeader, signal }) {
            responseHeader.set("claude-runner-turn-id", turnId);
            yield text(1);
            stop.abort();
            await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
          },
        },
        turns: {
          interruptTurn() {
            throw cut();
          },
        },
      },
      stop,
    );
    expect(found.got).toEqual([1]);
    expect(found.said).toEqual([expect.stringContaining(`which goes on: ${turnId}`)]);
    expect(found.failure).toBeDefined();
  });
});

describe("a turn that is read again", () => {
  it("has what the server no longer has as an event of its own", async () => {
    const { transport } = keptServer({
      turns: {
        async *attachTurn() {
          yield { message: { case: "state", value: { id: turnId } } };
          yield { message: { case: "gap", value: { firstSequence: 1, lastSequence: 4 } } };
          yield { message: { case: "event", value: result(5) } };
        },
      },
    });
    const events = attachedEvents({
      transport,
      turn: { case: "turnId", value: turnId },
      afterSequence: 0,
      signal: new AbortController().signal,
      say: () => undefined,
    });
    const got = [];
    for await (const { sequence, turnId: id, event } of events) got.push([sequence, id, event.case]);
    expect(got).toEqual([
      [4, turnId, "gap"],
      [5, turnId, "result"],
    ]);
  });
});
