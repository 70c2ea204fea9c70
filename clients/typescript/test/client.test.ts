import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport, type HandlerContext } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import {
  ClaudeRunner,
  ClaudeRunnerClient,
  ClaudeRunnerError,
  Outcome,
  Role,
  type StreamChatRequest,
  type StreamChatResponse,
  StreamChatResponseSchema,
} from "../src/index.ts";

type Play = (request: StreamChatRequest, context: HandlerContext) => AsyncIterable<StreamChatResponse>;

const quick = { maxAttempts: 4, initialBackoffMs: 1, maxBackoffMs: 1 };

/** A client of a server in the same process. */
function clientOf(play: Play, retry: typeof quick | false = quick): ClaudeRunnerClient {
  const transport = createRouterTransport(({ service }) => service(ClaudeRunner, { streamChat: play }));
  return new ClaudeRunnerClient(transport, { retry });
}

function event(sequence: number, of: StreamChatResponse["event"]): StreamChatResponse {
  const response = create(StreamChatResponseSchema, { sequence, turnId: "turn" });
  response.event = of;
  return response;
}

function* turnOf(text: string, outcome: Outcome = Outcome.COMPLETED) {
  const message = (init: Parameters<typeof create<typeof StreamChatResponseSchema>>[1]) =>
    create(StreamChatResponseSchema, { turnId: "turn", ...init });
  yield message({ sequence: 1, event: { case: "started", value: { model: "m" } } });
  if (text !== "") yield message({ sequence: 2, event: { case: "textDelta", value: { text } } });
  yield message({ sequence: 3, event: { case: "result", value: { outcome, text } } });
}

const unavailable = (pushback?: string) =>
  new ConnectError("no room", Code.Unavailable, pushback === undefined ? {} : { "grpc-retry-pushback-ms": pushback });

describe("a turn", () => {
  it("gives its events, and its result to whoever asks afterwards", async () => {
    const client = clientOf(async function* () {
      yield* turnOf("Hello");
    });
    const turn = client.stream("x");
    const kinds: (string | undefined)[] = [];
    for await (const { event: of } of turn) kinds.push(of.case);
    expect(kinds).toEqual(["started", "textDelta", "result"]);
    expect((await turn.result()).text).toBe("Hello");
    expect([turn.collectedText, turn.turnId, turn.started?.model]).toEqual(["Hello", "turn", "m"]);
  });

  it("skips events of unknown kinds, and counts them", async () => {
    const client = clientOf(async function* () {
      const [started, ...rest] = turnOf("Hi");
      yield started!;
      yield event(2, { case: undefined });
      yield* rest;
    });
    const turn = client.stream("x");
    const seen = [];
    for await (const { event: of } of turn) seen.push(of.case);
    expect(seen).toEqual(["started", "textDelta", "result"]);
    expect(turn.unknownEventCount).toBe(1);
  });

  it("gives its result before it fails, and fails once more when it is asked for it", async () => {
    const client = clientOf(async function* () {
      yield* turnOf("", Outcome.WORKER_DIED);
      throw new ConnectError("it died", Code.Aborted);
    });
    const turn = client.stream("x");
    const seen: unknown[] = [];
    const failure = await (async () => {
      for await (const { event: of } of turn) seen.push(of.case);
    })().catch((error: unknown) => error);
    expect(seen).toEqual(["started", "result"]);
    expect(failure).toBeInstanceOf(ClaudeRunnerError);
    expect(failure).toMatchObject({ code: Code.Aborted, result: { outcome: Outcome.WORKER_DIED } });
    await expect(turn.result()).rejects.toBe(failure);
  });

  it("fails when the server ends it without a result", async () => {
    const client = clientOf(async function* () {
      yield [...turnOf("x")][0]!;
    });
    await expect(client.stream("x").result()).rejects.toMatchObject({ code: Code.Internal });
  });

  it.each<[string, (turn: ReturnType<ClaudeRunnerClient["stream"]>, abort: AbortController) => Promise<unknown>]>([
    [
      "its loop is left",
      async (turn) => {
        for await (const _ of turn) break;
      },
    ],
    [
      "its text is left",
      async (turn) => {
        for await (const _ of turn.text()) break;
      },
    ],
    [
      "it is disposed of",
      async (turn) => {
        await using held = turn;
        await held[Symbol.asyncIterator]().next();
      },
    ],
    [
      "it is cancelled by hand, and its reader is told",
      async (turn) => {
        await expect(
          (async () => {
            for await (const _ of turn) turn.cancel();
          })(),
        ).rejects.toMatchObject({ codeName: "CANCELLED" });
      },
    ],
    [
      "its signal aborts, and its reader is told",
      async (turn, abort) => {
        await expect(
          (async () => {
            for await (const _ of turn) abort.abort();
          })(),
        ).rejects.toMatchObject({ codeName: "CANCELLED" });
      },
    ],
  ])("is cancelled at the server when %s", async (_, leave) => {
    const gone = Promise.withResolvers<void>();
    const client = clientOf(async function* (_request, { signal }) {
      signal.addEventListener("abort", () => gone.resolve());
      yield* [...turnOf("first")].slice(0, 2);
      await gone.promise;
    });
    const abort = new AbortController();
    const turn = client.stream("x", { signal: abort.signal });
    await leave(turn, abort);
    await gone.promise;
    await expect(turn.result()).rejects.toMatchObject({ codeName: "CANCELLED" });
  });

  it("that was cancelled before it was read makes no call", async () => {
    let calls = 0;
    const client = clientOf(async function* () {
      calls += 1;
      yield* turnOf("x");
    });
    const turn = client.stream("x");
    turn.cancel();
    await expect(turn.result()).rejects.toMatchObject({ codeName: "CANCELLED" });
    expect(calls).toBe(0);
  });

  it("is not cancelled by stopping at its result", async () => {
    let wasAborted = false;
    const client = clientOf(async function* (_request, { signal }) {
      yield* turnOf("x");
      wasAborted = signal.aborted;
    });
    const turn = client.stream("x");
    for await (const { event: of } of turn) if (of.case === "result") break;
    expect((await turn.result()).outcome).toBe(Outcome.COMPLETED);
    expect(wasAborted).toBe(false);
  });
});

describe("retry", () => {
  it("sends a refused call again, and gives the events of the one that was served", async () => {
    let calls = 0;
    const client = clientOf(async function* () {
      calls += 1;
      if (calls < 3) throw unavailable("1");
      yield* turnOf("in");
    });
    expect((await client.stream("x").result()).text).toBe("in");
    expect(calls).toBe(3);
  });

  it("stops waiting when the caller cancels", async () => {
    const refused = Promise.withResolvers<void>();
    const client = clientOf(async function* () {
      refused.resolve();
      yield* [];
      throw unavailable("60000");
    });
    const turn = client.stream("x");
    const result = turn.result();
    await refused.promise;
    turn.cancel();
    await expect(result).rejects.toMatchObject({ codeName: "CANCELLED" });
  });

  it("can be switched off", async () => {
    let calls = 0;
    const client = clientOf(async function* () {
      calls += 1;
      yield* [];
      throw unavailable("1");
    }, false);
    await expect(client.stream("x").result()).rejects.toMatchObject({ codeName: "UNAVAILABLE", mayRetry: true });
    expect(calls).toBe(1);
  });
});

describe("a closed client", () => {
  it("cancels what is running, and takes no new calls", async () => {
    const client = clientOf(async function* (_request, { signal }) {
      yield* [...turnOf("first")].slice(0, 1);
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    });
    const turn = client.stream("x");
    await turn[Symbol.asyncIterator]().next();
    client.close();
    await expect(turn.result()).rejects.toMatchObject({ codeName: "CANCELLED" });
    await expect(client.stream("x").result()).rejects.toMatchObject({ message: "the client is closed" });
    await expect(client.info()).rejects.toMatchObject({ message: "the client is closed" });
  });
});

describe("a conversation", () => {
  const texts = (messages: readonly { readonly text: string }[]) => messages.map(({ text }) => text);

  it("sends what was said, and adds nothing for a turn that failed, was left, or said nothing", async () => {
    const histories: string[][] = [];
    const client = clientOf(async function* ({ prompt, history }) {
      histories.push(texts(history));
      if (prompt === "fail") throw new ConnectError("no", Code.Aborted);
      yield* turnOf(prompt === "silent" ? "" : `re: ${prompt}`);
    });
    const talk = client.conversation({ profile: "p" });
    await talk.stream("one").result();
    await expect(talk.stream("fail").result()).rejects.toThrow();
    for await (const _ of talk.stream("leave")) break;
    await talk.stream("silent").result();
    await talk.stream("two").result();
    expect(histories.at(-1)).toEqual(["one", "re: one"]);
    expect(texts(talk.messages)).toEqual(["one", "re: one", "two", "re: two"]);
    expect(talk.messages.map(({ role }) => role)).toEqual([Role.USER, Role.ASSISTANT, Role.USER, Role.ASSISTANT]);
  });

  it("has one turn at a time", async () => {
    const client = clientOf(async function* () {
      yield* turnOf("x");
    });
    const talk = client.conversation();
    const turn = talk.stream("one");
    expect(() => talk.stream("two")).toThrow("is not over");
    turn.cancel();
    await talk.stream("two").result();
    expect(texts(talk.messages)).toEqual(["two", "x"]);
  });

  it("keeps at most 400 messages and 4 MiB, and drops the oldest pairs", async () => {
    const client = clientOf(async function* ({ prompt }) {
      yield* turnOf(prompt);
    });
    const history = Array.from({ length: 400 }, (_, at) => ({
      role: at % 2 === 0 ? Role.USER : Role.ASSISTANT,
      text: `${at}`,
    }));
    const long = client.conversation({ history });
    await long.stream("new").result();
    expect(texts(long.messages).slice(0, 1)).toEqual(["2"]);
    expect(long.messages).toHaveLength(400);

    const large = client.conversation();
    const megabyte = "ü".repeat(512 * 1024);
    for (const mark of ["a", "b", "c"]) await large.stream(mark + megabyte.slice(1)).result();
    expect(texts(large.messages).map((text) => text[0])).toEqual(["b", "b", "c", "c"]);
  });
});
