import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import {
  BusyPolicy,
  ChatRequestSchema,
  ClaudeRunnerClient,
  Detail,
  SessionService,
  StreamChatRequestSchema,
  TurnState,
  TurnView,
} from "../src/index.ts";
import { keptServer, refusal, result, started, text } from "./kept-server.ts";

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** A server whose turns go well. */
const goodServer = () =>
  keptServer({
    async *streamChat() {
      yield started;
      yield text(2, "Hi");
      yield result(3, "Hi");
    },
    chat: () => ({ text: "Hi" }),
  });

describe("a session", () => {
  it("may be created by its handle's first turn, and by no later one", async () => {
    const { client, requests } = goodServer();
    const session = client.session("trip", { title: "A trip", labels: { team: "x" }, idleExpiryMs: 90_000 });
    await session.stream("one").result();
    await session.stream("two").result();
    await session.chat("three");
    const common = { id: "trip", title: "A trip", labels: { team: "x" }, idleExpiry: { seconds: 90n } };
    expect(requests.streams.map(({ session: ref }) => ref)).toMatchObject([
      { ...common, allowMissing: true },
      { ...common, allowMissing: false },
    ]);
    expect(requests.chats[0]).toMatchObject({ prompt: "three", session: { ...common, allowMissing: false } });
  });

  it("may still be created after a turn that never began", async () => {
    let isFull = true;
    const { client, requests } = keptServer({
      async *streamChat() {
        yield* [];
        throw refusal("QUOTA_EXCEEDED", Code.ResourceExhausted);
      },
      chat() {
        if (isFull) throw refusal("QUOTA_EXCEEDED", Code.ResourceExhausted);
        return {};
      },
    });
    const session = client.session("trip");
    await expect(session.stream("one").result()).rejects.toMatchObject({ reasonName: "QUOTA_EXCEEDED" });
    await expect(session.chat("two")).rejects.toMatchObject({ reasonName: "QUOTA_EXCEEDED" });
    isFull = false;
    await session.chat("three");
    await session.chat("four");
    const chats = requests.chats.map(({ session: ref }) => ref?.allowMissing);
    expect([requests.streams[0]?.session?.allowMissing, ...chats]).toEqual([true, true, true, false]);
  });

  it("is not created when it must be there", async () => {
    const { client, requests } = goodServer();
    await client.session("trip", { create: false }).chat("x");
    expect(requests.chats[0]?.session?.allowMissing).toBe(false);
  });

  it("gives its turns what they have in common, unless they say otherwise", async () => {
    const { client, requests } = goodServer();
    const template = { profile: "p", model: "m", systemPrompt: "Be brief.", detail: Detail.TEXT };
    const session = client.session("trip", { busyPolicy: BusyPolicy.QUEUE, template });
    await session.stream("one").result();
    await session.stream({ content: [{ block: { case: "text", value: "two" } }], model: "other" }).result();
    await session.stream(create(StreamChatRequestSchema, { prompt: "three", model: "" })).result();
    await session.chat(create(ChatRequestSchema, { prompt: "four", labels: { job: "x" } }));
    const common = { profile: "p", model: "m", systemPrompt: "Be brief.", busyPolicy: BusyPolicy.QUEUE };
    expect(requests.streams).toMatchObject([
      { ...common, detail: Detail.TEXT, prompt: "one" },
      { ...common, detail: Detail.TEXT, prompt: "", model: "other", content: [{ block: { value: "two" } }] },
      { ...common, detail: Detail.TEXT, prompt: "three" },
    ]);
    expect(requests.chats[0]).toMatchObject({ ...common, prompt: "four", labels: { job: "x" } });
    expect(requests.streams.every(({ session: ref }) => ref?.id === "trip")).toBe(true);
  });

  it("can have turns that rejoin, and turns that are sent again", async () => {
    const { client, requests } = goodServer();
    const session = client.session("trip");
    await session.stream("one", { rejoin: true }).result();
    await session.chat("two", { idempotent: true });
    expect(requests.streams[0]).toMatchObject({ onDisconnect: 2, session: { id: "trip", allowMissing: true } });
    expect(requests.chats[0]).toMatchObject({ onDisconnect: 2, session: { id: "trip", allowMissing: false } });
    expect(requests.chats[0]?.requestId).not.toBe("");
  });

  it("is looked at, changed in what is given, deleted and forked", async () => {
    const { client, requests } = goodServer();
    const session = client.session("trip");
    expect(await session.get()).toMatchObject({ id: "trip", title: "as it is" });
    expect(await session.update({ title: "" })).toMatchObject({ id: "trip" });
    await session.update({ labels: { a: "b" }, idleExpiryMs: 60_500 });
    expect(requests.updated).toMatchObject([
      { id: "trip", title: "", updateMask: { paths: ["title"] } },
      {
        updateMask: { paths: ["labels", "idle_expiry"] },
        labels: { a: "b" },
        idleExpiry: { seconds: 60n, nanos: 500_000_000 },
      },
    ]);
    expect((await session.delete()).interruptedTurnId).toBe("");
    expect((await session.delete({ force: true })).interruptedTurnId).toBe("turn");
    expect((await session.fork()).id).toBe("copy");
    await session.fork({ newId: "branch", beforeTurnId: "t2", title: "Branch" });
    await session.fork({ lastTurnId: "t1" });
    expect(requests.forked).toMatchObject([
      { id: "trip", newId: "", until: { case: undefined } },
      { id: "trip", newId: "branch", until: { case: "beforeTurnId", value: "t2" }, title: "Branch" },
      { until: { case: "lastTurnId", value: "t1" } },
    ]);
    expect(requests.forked[0]?.title).toBeUndefined();
    await expect(session.fork({ lastTurnId: "t1", beforeTurnId: "t2" })).rejects.toThrow("one of them");
  });

  it("lists its turns with their words, page by page, as far as they are read", async () => {
    const { client, requests } = goodServer();
    const turns = await all(client.session("trip").turns());
    expect(turns.map(({ id }) => id)).toEqual(["item-1", "item-2", "item-3"]);
    expect(requests.turnPages).toMatchObject([
      { sessionId: "trip", view: TurnView.FULL, pageToken: "" },
      { sessionId: "trip", view: TurnView.FULL, pageToken: "2" },
      { sessionId: "trip", view: TurnView.FULL, pageToken: "3" },
    ]);
    for await (const _ of client.session("trip").turns()) break;
    expect(requests.turnPages).toHaveLength(4);
  });
});

describe("a client", () => {
  it("creates sessions, and lists sessions and turns as it is asked to", async () => {
    const { client, requests } = goodServer();
    expect((await client.createSession()).id).toBe("chosen");
    expect((await client.createSession({ id: "trip", systemPrompt: "Be brief." })).id).toBe("trip");
    expect(requests.created[1]).toMatchObject({ systemPrompt: "Be brief." });
    expect(await all(client.sessions({ labels: { a: "b" }, pageSize: 1 }))).toHaveLength(3);
    expect(requests.sessionPages).toMatchObject([
      { labels: { a: "b" }, pageSize: 1, pageToken: "" },
      { labels: { a: "b" }, pageSize: 1, pageToken: "2" },
      { labels: { a: "b" }, pageSize: 1, pageToken: "3" },
    ]);
    expect(await all(client.turns({ state: TurnState.RUNNING }))).toHaveLength(3);
    expect(requests.turnPages[2]).toMatchObject({ state: TurnState.RUNNING, pageToken: "3" });
  });

  it("gets a turn by either id, and stops one", async () => {
    const { client, calls } = keptServer({ turnOf: (requestId) => `turn of ${requestId}` });
    expect((await client.getTurn("t")).turn?.id).toBe("t");
    expect((await client.getTurn({ turnId: "t" }, { view: TurnView.FULL })).turn?.id).toBe("t");
    expect((await client.getTurn({ requestId: "r" })).turn?.id).toBe("turn of r");
    expect(await client.interruptTurn("t")).toMatchObject({ interrupted: true });
    expect(calls).toEqual(["getTurn turnId", "getTurn turnId", "getTurn requestId", "interruptTurn t"]);
  });

  it("fails with its own error for calls about what is kept", async () => {
    const { client } = goodServer();
    const failed = await client.getTurn({ requestId: "r" }).catch((error: unknown) => error);
    expect(failed).toMatchObject({ name: "ClaudeRunnerError", reasonName: "TURN_NOT_FOUND", codeName: "NOT_FOUND" });
    client.close();
    await expect(all(client.sessions())).rejects.toMatchObject({ message: "the client is closed" });
  });
});

it("what is created, copied or deleted twice is something else: such a call is sent once", async () => {
  const sent: string[] = [];
  const refused = (name: string) => () => {
    sent.push(name);
    throw new ConnectError("the connection broke", Code.Unavailable);
  };
  const transport = createRouterTransport(({ service }) =>
    service(SessionService, {
      createSession: refused("create"),
      forkSession: refused("fork"),
      deleteSession: refused("delete"),
    }),
  );
  const retry = { maxAttempts: 3, initialBackoffMs: 1, maxBackoffMs: 1 };
  const client = new ClaudeRunnerClient(transport, { retry });
  const session = client.session("s");
  await expect(client.createSession({ id: "s" })).rejects.toMatchObject({ codeName: "UNAVAILABLE" });
  await expect(session.fork()).rejects.toMatchObject({ codeName: "UNAVAILABLE" });
  await expect(session.delete()).rejects.toMatchObject({ codeName: "UNAVAILABLE" });
  expect(sent).toEqual(["create", "fork", "delete"]);
});
