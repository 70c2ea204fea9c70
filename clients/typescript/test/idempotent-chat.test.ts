import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { expect, it } from "vitest";
import { Calls } from "../src/calls.ts";
import { chatAgain } from "../src/idempotent-chat.ts";
import { ClaudeRunner, OnDisconnect } from "../src/index.ts";
import { brokenWay, gone, keptServer, refusal } from "./kept-server.ts";

it("a collected turn is sent again under one request id when its connection breaks", async () => {
  const { client, requests } = keptServer({
    chat(attempt) {
      if (attempt === 1) throw brokenWay();
      return { text: "All of it." };
    },
  });
  expect((await client.chat("x", { idempotent: true })).text).toBe("All of it.");
  expect(requests.chats).toMatchObject([
    { prompt: "x", onDisconnect: OnDisconnect.CONTINUE },
    { prompt: "x", onDisconnect: OnDisconnect.CONTINUE },
  ]);
  const [first, second] = requests.chats.map(({ requestId }) => requestId);
  expect(first).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  expect(second).toBe(first);
});

it("keeps the request id that a request has", async () => {
  const { client, requests } = keptServer({ chat: () => ({}) });
  await client.chat({ prompt: "x", requestId: "order-4711" }, { idempotent: true });
  expect(requests.chats[0]?.requestId).toBe("order-4711");
});

it("is not sent again once the server has answered, and never without being asked to", async () => {
  const { client, requests } = keptServer({
    chat(attempt) {
      throw attempt === 1 ? refusal("TURN_INTERRUPTED", Code.Aborted) : brokenWay();
    },
  });
  await expect(client.chat("x", { idempotent: true })).rejects.toMatchObject({ reasonName: "TURN_INTERRUPTED" });
  await expect(client.chat("x")).rejects.toMatchObject({ name: "ClaudeRunnerError", codeName: "UNAVAILABLE" });
  expect(requests.chats).toHaveLength(2);
  expect(requests.chats[1]).toMatchObject({ requestId: "", onDisconnect: OnDisconnect.UNSPECIFIED });
});

it("interrupts its turn when its caller cancels, before the connection closes", async () => {
  for (const isClosed of [true, false]) {
    const begun = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    const server = keptServer({
      async chat(_, __, context) {
        begun.resolve();
        await gone(context);
        throw new ConnectError("its caller has gone", Code.Canceled);
      },
      turnOf: (requestId) => `turn of ${requestId}`,
      onClose: () => {
        server.calls.push("closed");
        closed.resolve();
      },
    });
    const abort = new AbortController();
    const call = server.client.chat({ prompt: "x", requestId: "r" }, { idempotent: true, signal: abort.signal });
    const failed = expect(call).rejects.toMatchObject({ codeName: "CANCELLED" });
    await begun.promise;
    if (isClosed) server.client.close();
    else abort.abort();
    await failed;
    server.client.close();
    await closed.promise;
    expect(server.calls).toEqual(["chat", "getTurn requestId", "interruptTurn turn of r", "closed"]);
  }
});

it("interrupts its turn at its deadline", async () => {
  const { client, calls } = keptServer({
    chat() {
      throw refusal("DEADLINE_EXCEEDED", Code.DeadlineExceeded);
    },
    turnOf: () => "turn",
  });
  const call = client.chat("x", { idempotent: true, timeoutMs: 60_000 });
  await expect(call).rejects.toMatchObject({ codeName: "DEADLINE_EXCEEDED" });
  expect(calls).toEqual(["chat", "getTurn requestId", "interruptTurn turn"]);
});

it("makes no call when its caller has cancelled before", async () => {
  const { client, calls } = keptServer({});
  const call = client.chat("x", { idempotent: true, signal: AbortSignal.abort() });
  await expect(call).rejects.toMatchObject({ codeName: "CANCELLED" });
  expect(calls).toEqual([]);
});

it("gives up a minute after the last sign of its turn, and leaves the turn alone", async () => {
  let callCount = 0;
  let nowMs = 0;
  const transport = createRouterTransport(({ service }) =>
    service(ClaudeRunner, {
      chat() {
        callCount += 1;
        nowMs += 20_000;
        const error = new ConnectError("the connection broke", Code.Unavailable);
        // Its headers came, as Node's side of the client notes it.
        if (callCount < 6) error.metadata.set("claude-runner-turn-id", "turn");
        throw error;
      },
    }),
  );
  const time = {
    now: () => nowMs,
    wait: async (ms: number) => {
      nowMs += ms;
    },
    random: () => 0.5,
  };
  const calls = new Calls(transport, false, () => {});
  const failure = await chatAgain({ prompt: "x", requestId: "r" }, calls, {}, time).catch((error: unknown) => error);
  expect(ConnectError.from(failure).rawMessage).toBe("the connection broke");
  expect(ConnectError.from(failure).metadata.get("grpc-retry-pushback-ms")).toBe("-1");
  expect(callCount).toBe(8);
});

it("waits longer from try to try though the headers of each come, and for the minute from the first break", async () => {
  let callCount = 0;
  let nowMs = 0;
  const waits: number[] = [];
  const transport = createRouterTransport(({ service }) =>
    service(ClaudeRunner, {
      chat() {
        callCount += 1;
        // The first one waited in the queue for long.
        if (callCount === 1) nowMs += 100_000;
        if (callCount === 5) return { text: "at last" };
        throw new ConnectError("cut", Code.Unavailable, { "claude-runner-turn-id": "turn" });
      },
    }),
  );
  const time = {
    now: () => nowMs,
    wait: async (ms: number) => {
      waits.push(ms);
    },
    random: () => 0.5,
  };
  const calls = new Calls(transport, false, () => {});
  expect((await chatAgain({ prompt: "x", requestId: "r" }, calls, {}, time)).text).toBe("at last");
  expect(waits).toEqual([0, 200, 400, 800]);
});

it("fails with the server's own words where it has refused every try", async () => {
  const transport = createRouterTransport(({ service }) =>
    service(ClaudeRunner, {
      chat() {
        throw refusal("QUEUE_FULL", Code.Unavailable);
      },
    }),
  );
  const calls = new Calls(transport, false, () => {});
  const failure = await chatAgain({ prompt: "x", requestId: "r" }, calls, {}).catch((error: unknown) => error);
  expect(ConnectError.from(failure).metadata.has("grpc-retry-pushback-ms")).toBe(false);
});
