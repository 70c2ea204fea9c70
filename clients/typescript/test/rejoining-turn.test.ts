import { Code } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { type ClaudeRunnerClient, ClaudeRunnerError, Detail, OnDisconnect, type Turn } from "../src/index.ts";
import { attached, beat, brokenWay, gone, keptServer, refusal, result, started, state, text } from "./kept-server.ts";

async function kindsOf(turn: Turn): Promise<(string | undefined)[]> {
  const kinds: (string | undefined)[] = [];
  for await (const { event } of turn) kinds.push(event.case);
  return kinds;
}

async function failureOf(call: Promise<unknown>): Promise<ClaudeRunnerError> {
  const failure = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(ClaudeRunnerError);
  return failure as ClaudeRunnerError;
}

describe("a stream that rejoins", () => {
  it("is one stream for its reader, under one request id, of a turn that goes on without its call", async () => {
    const asked: unknown[] = [];
    const { client, calls, requests } = keptServer({
      async *streamChat() {
        yield started;
        yield text(2, "One, ");
        throw brokenWay();
      },
      async *attachTurn(_, { turn, detail }) {
        asked.push(turn.value, detail);
        yield state;
        yield attached(text(3, "two"));
        yield attached(result(4, "One, two"));
      },
    });
    const turn = client.stream("x", { rejoin: true });
    expect(await kindsOf(turn)).toEqual(["started", "textDelta", "textDelta", "result"]);
    expect([turn.collectedText, turn.turnId, turn.hasGap]).toEqual(["One, two", "turn", false]);
    expect(calls).toEqual(["streamChat", "attachTurn requestId after 2"]);
    expect(requests.streams[0]).toMatchObject({ prompt: "x", onDisconnect: OnDisconnect.CONTINUE });
    expect(asked).toEqual([requests.streams[0]?.requestId, Detail.STANDARD]);
    expect(requests.streams[0]?.requestId).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  });

  it("keeps the request id and the detail that a request has", async () => {
    const asked: unknown[] = [];
    const { client, requests } = keptServer({
      async *streamChat() {
        yield started;
        throw brokenWay();
      },
      async *attachTurn(_, { turn, detail }) {
        asked.push(turn.value, detail);
        yield attached(result(2, ""));
      },
    });
    const request = { prompt: "x", requestId: "order-4711", detail: Detail.TEXT };
    await client.stream(request, { rejoin: true }).result();
    expect(requests.streams[0]?.requestId).toBe("order-4711");
    expect(asked).toEqual(["order-4711", Detail.TEXT]);
  });

  it("shows a gap, and hides the heartbeats that only a waiting turn's other readers get", async () => {
    const { client } = keptServer({
      // biome-ignore lint/correctness/useYield: a stream that fails before its first event
      async *streamChat() {
        throw brokenWay();
      },
      async *attachTurn() {
        yield state;
        yield attached(beat(0));
        yield attached(started);
        yield { message: { case: "gap", value: { firstSequence: 2, lastSequence: 5 } } };
        yield attached(beat(5));
        yield attached(result(6, "All of it."));
      },
    });
    const turn = client.stream("x", { rejoin: true });
    expect(await kindsOf(turn)).toEqual(["started", "gap", "heartbeat", "result"]);
    expect([turn.hasGap, turn.collectedText, (await turn.result()).text]).toEqual([true, "", "All of it."]);
  });

  it("gives its conversation the whole answer when a gap has swallowed a part of it", async () => {
    const { client } = keptServer({
      async *streamChat() {
        yield started;
        throw brokenWay();
      },
      async *attachTurn() {
        yield { message: { case: "gap", value: { firstSequence: 2, lastSequence: 5 } } };
        yield attached(result(6, "All of it."));
      },
    });
    const talk = client.conversation();
    await talk.stream("x", { rejoin: true }).result();
    expect(talk.messages.map(({ text: said }) => said)).toEqual(["x", "All of it."]);
  });

  it("fails as its turn did when that was refused", async () => {
    const { client, calls } = keptServer({
      // biome-ignore lint/correctness/useYield: a stream that fails before its first event
      async *streamChat() {
        throw refusal("SESSION_BUSY", Code.FailedPrecondition);
      },
    });
    const failure = await failureOf(client.stream("x", { rejoin: true }).result());
    expect(failure).toMatchObject({ reasonName: "SESSION_BUSY", mayRetry: false, turnId: "" });
    expect(calls).toEqual(["streamChat"]);
  });
});

describe("a turn that goes on without its caller", () => {
  type Leave = (turn: Turn, client: ClaudeRunnerClient, abort: AbortController) => Promise<unknown>;
  const ways: readonly [string, Leave][] = [
    [
      "its loop is left",
      async (turn) => {
        for await (const _ of turn) break;
      },
    ],
    ["it is cancelled by hand", (turn) => read(turn, () => turn.cancel())],
    ["its signal aborts", (turn, _, abort) => read(turn, () => abort.abort())],
    ["its client is closed", (turn, client) => read(turn, () => client.close())],
  ];
  async function read(turn: Turn, afterEach: () => void): Promise<void> {
    const reading = (async () => {
      for await (const _ of turn) afterEach();
    })();
    expect(await failureOf(reading)).toMatchObject({ codeName: "CANCELLED", turnId: "turn" });
  }

  it.each(ways)("is interrupted when %s, before the connection closes", async (_, leave) => {
    const closedAfter: string[][] = [];
    const server = keptServer({
      async *streamChat(__, ___, context) {
        yield started;
        await gone(context);
      },
      interrupted: () => new Promise((resolve) => setImmediate(resolve)),
      onClose: () => closedAfter.push([...server.calls]),
    });
    const abort = new AbortController();
    const turn = server.client.stream("x", { rejoin: true, signal: abort.signal });
    await leave(turn, server.client, abort);
    expect(server.calls).toEqual(["streamChat", "interruptTurn turn"]);
    server.client.close();
    // Whatever was left to be closed is closed behind it.
    while (closedAfter.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(closedAfter).toEqual([["streamChat", "interruptTurn turn"]]);
  });

  it("is found by its request id when its caller leaves before the server has named it", async () => {
    const begun = Promise.withResolvers<void>();
    const { client, calls } = keptServer({
      async *streamChat(_, __, context) {
        begun.resolve();
        await gone(context);
        yield* [];
      },
      turnOf: (requestId) => `turn of ${requestId}`,
    });
    const turn = client.stream({ prompt: "x", requestId: "r" }, { rejoin: true });
    const failure = failureOf(turn.result());
    await begun.promise;
    turn.cancel();
    expect(await failure).toMatchObject({ codeName: "CANCELLED" });
    expect(calls).toEqual(["streamChat", "getTurn requestId", "interruptTurn turn of r"]);
  });

  it("is interrupted at the deadline of its call, by whichever clock that passes", async () => {
    for (const isServers of [true, false]) {
      const { client, calls } = keptServer({
        async *streamChat(_, __, context) {
          yield started;
          if (isServers) throw refusal("DEADLINE_EXCEEDED", Code.DeadlineExceeded);
          await gone(context);
        },
      });
      const turn = client.stream("x", { rejoin: true, timeoutMs: isServers ? 60_000 : 20 });
      expect(await failureOf(turn.result())).toMatchObject({ codeName: "DEADLINE_EXCEEDED", turnId: "turn" });
      expect(calls).toEqual(["streamChat", "interruptTurn turn"]);
    }
  });

  it("is left alone when its result has come, and when it makes no call", async () => {
    const { client, calls } = keptServer({
      async *streamChat() {
        yield started;
        yield result(2, "");
      },
    });
    for await (const { event } of client.stream("x", { rejoin: true })) if (event.case === "result") break;
    client.stream("y", { rejoin: true }).cancel();
    expect(calls).toEqual(["streamChat"]);
  });

  it("still fails for its caller when it cannot be interrupted", async () => {
    const { client } = keptServer({
      async *streamChat(_, __, context) {
        yield started;
        await gone(context);
      },
      interrupted: () => Promise.reject(brokenWay()),
    });
    const turn = client.stream("x", { rejoin: true });
    await read(turn, () => turn.cancel());
  });
});

describe("a turn that is attached to", () => {
  it("is read like one's own from any event on, by either id, and knows its id at once", async () => {
    const { client, calls } = keptServer({
      async *attachTurn(attempt, { afterSequence }) {
        yield state;
        if (attempt === 1) throw brokenWay();
        if (afterSequence < 2) yield attached(started);
        yield attached(text(3, "on"));
        yield attached(result(4, "and on"));
      },
    });
    const turn = client.attach("turn", { afterSequence: 2 });
    expect(await kindsOf(turn)).toEqual(["textDelta", "result"]);
    expect(turn.turnId).toBe("turn");
    expect((await client.attach({ requestId: "r" }).result()).text).toBe("and on");
    expect(calls).toEqual(["attachTurn turnId after 2", "attachTurn turnId after 2", "attachTurn requestId after 0"]);
  });

  it("goes on when its reader leaves", async () => {
    const { client, calls } = keptServer({
      async *attachTurn(_, __, context) {
        yield state;
        yield attached(started);
        await gone(context);
      },
    });
    for await (const _ of client.attach({ turnId: "turn" })) break;
    expect(calls).toEqual(["attachTurn turnId after 0"]);
  });

  it("that is not there fails at once, and is asked for no more", async () => {
    const { client, calls } = keptServer({
      // biome-ignore lint/correctness/useYield: a stream that fails before its first message
      async *attachTurn() {
        throw refusal("TURN_NOT_FOUND", Code.NotFound);
      },
    });
    expect(await failureOf(client.attach("turn").result())).toMatchObject({ reasonName: "TURN_NOT_FOUND" });
    expect(calls).toHaveLength(1);
  });
});
