import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type AttachTurnRequest, TurnService } from "../../../gen/claude/runner/v1/turn_pb.ts";
import { served } from "../../../src/service/calls.ts";
import { startTestServers, type TestServers, testToken } from "../scripted-runner.ts";

/** The requests that reached AttachTurn. */
const attached: AttachTurnRequest[] = [];
const notAsked = () => Promise.reject(new Error("not part of these tests"));
const turns = served(TurnService, {
  async *attachTurn(request) {
    attached.push(request);
    const { afterSequence } = request;
    yield { message: { case: "state", value: { id: "turn", lastSequence: 2 } } };
    for (let sequence = afterSequence + 1; sequence <= 2; sequence += 1) {
      const event = { case: "textDelta", value: { text: String(sequence) } } as const;
      yield { message: { case: "event", value: { sequence, event } } };
    }
    yield { message: { case: "replayComplete", value: { lastSequence: 2 } } };
  },
  getTurn: notAsked,
  listTurns: notAsked,
  async *getTurnContent() {},
  interruptTurn: notAsked,
});

let test: TestServers;
beforeAll(async () => {
  test = await startTestServers({
    services: [turns],
    change: ({ calls }) => {
      calls.maxRequestBytes = 65_536;
    },
  });
});
afterAll(() => test.stop());
beforeEach(() => {
  test.runner.calls.length = 0;
  attached.length = 0;
});

const paths = {
  streamChat: "/claude.runner.v1.ClaudeRunner/StreamChat",
  chat: "/claude.runner.v1.ClaudeRunner/Chat",
  attachTurn: "/claude.runner.v1.TurnService/AttachTurn",
  getInfo: "/claude.runner.v1.ClaudeRunner/GetInfo",
};
const sse = "text/event-stream";
const ndjson = "application/x-ndjson";

interface Sent {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
}

/** A request as curl sends it. */
function send(body: unknown, { path = paths.streamChat, method = "POST", headers = {} }: Sent = {}): Promise<Response> {
  return fetch(`${test.webUrl}${path}`, {
    method,
    headers: { authorization: `Bearer ${testToken}`, "content-type": "application/json", accept: sse, ...headers },
    ...(method === "POST" && {
      body: typeof body === "string" || body instanceof Buffer ? body : JSON.stringify(body),
    }),
  });
}

const prompted = async (prompt: string, accept: string) => (await send({ prompt }, { headers: { accept } })).text();

describe("server-sent events", () => {
  it("are the event's kind, its number and the response in JSON", async () => {
    expect(await prompted("count 2", sse)).toBe(
      'event: textDelta\nid: 1\ndata: {"sequence":1,"turnId":"turn","textDelta":{"text":"1"}}\n\n' +
        'event: textDelta\nid: 2\ndata: {"sequence":2,"turnId":"turn","textDelta":{"text":"2"}}\n\n',
    );
  });

  it("have heartbeats as comments, and what has no kind as a message", async () => {
    expect(await prompted("beat", sse)).toBe(
      'event: textDelta\nid: 1\ndata: {"sequence":1,"turnId":"turn","textDelta":{"text":"1"}}\n\n' +
        ": heartbeat\n\n" +
        'event: textDelta\nid: 2\ndata: {"sequence":2,"turnId":"turn","textDelta":{"text":"2"}}\n\n' +
        'event: message\nid: 3\ndata: {"sequence":3,"turnId":"turn"}\n\n',
    );
  });

  it("end with the failure in the form of Connect, where the turn has begun", async () => {
    const [first, failure, ...more] = (await prompted("fail-after 1", sse)).split("\n\n");
    expect(first).toMatch(/^event: textDelta\nid: 1\n/);
    expect(more).toEqual([""]);
    const [, json = ""] = /^event: error\ndata: (.*)$/.exec(failure ?? "") ?? [];
    expect(JSON.parse(json)).toMatchObject({
      code: "aborted",
      message: "the worker died",
      details: [{ type: "google.rpc.ErrorInfo", debug: { reason: "WORKER_DIED" } }],
    });
  });

  it("cannot be made by a text that holds their lines", async () => {
    // Everything that ends a line for some reader.
    const ends = ["\r\n", ..."\n\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029"];
    const forged = ends.map((end) => `${end}${end}event: error${end}id: 9${end}data: {}${end}${end}: –`).join("");
    for (const accept of [sse, ndjson]) {
      const lines = (await prompted(`repeat ${forged}`, accept)).split(new RegExp(ends.join("|")));
      expect(lines.filter((line) => line !== "")).toHaveLength(accept === sse ? 3 : 1);
      const json = lines.find((line) => line.includes("{"))!;
      expect(JSON.parse(json.replace(/^data: /, "")).textDelta.text).toBe(forged);
    }
  });
});

describe("NDJSON", () => {
  it("is a response in each line, heartbeats as well", async () => {
    expect(await prompted("beat", ndjson)).toBe(
      '{"sequence":1,"turnId":"turn","textDelta":{"text":"1"}}\n' +
        '{"sequence":1,"turnId":"turn","heartbeat":{}}\n' +
        '{"sequence":2,"turnId":"turn","textDelta":{"text":"2"}}\n' +
        '{"sequence":3,"turnId":"turn"}\n',
    );
  });

  it("ends with the failure, where the turn has begun", async () => {
    const lines = (await prompted("fail-after 1", ndjson)).split("\n");
    expect(lines).toHaveLength(3);
    expect(JSON.parse(lines[1]!)).toMatchObject({
      error: { code: "aborted", details: [{ debug: { reason: "WORKER_DIED" } }] },
    });
  });
});

describe.each([
  ["server-sent events", sse],
  ["NDJSON", ndjson],
])("%s", (_, accept) => {
  it("come with headers that let nobody keep, guess or hold them back, and never packed", async () => {
    const headers = { accept, "accept-encoding": "gzip", "connect-accept-encoding": "gzip" };
    const answer = await send({ prompt: `say ${16 * 1024}` }, { headers });
    expect(answer.status).toBe(200);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      "content-type": accept,
      "cache-control": "no-store",
      "x-accel-buffering": "no",
      "x-content-type-options": "nosniff",
    });
    expect([...answer.headers.keys()].filter((name) => /^connect-|encoding$/.test(name))).toEqual([
      "transfer-encoding",
    ]);
    expect(await answer.text()).toContain("x".repeat(16 * 1024));
  });

  const packedBomb = gzipSync(JSON.stringify({ prompt: `length ${"x".repeat(1_000_000)}` }));
  it.each<[string, unknown, Record<string, string>]>([
    ["a refusal of the service", { prompt: "refuse" }, {}],
    ["an error of the inside", { prompt: "throw" }, {}],
    ["a wrong token", { prompt: "count 1" }, { authorization: "Bearer wrong" }],
    ["what is no JSON", "{", {}],
    ["an empty body", "", {}],
    ["what is no such message", { prompt: 5, unknown: true }, {}],
    ["too much", { prompt: "x".repeat(70_000) }, {}],
    ["too much, by the Connect protocol", { prompt: "x".repeat(70_000) }, { "connect-protocol-version": "1" }],
    ["what unpacks to too much", packedBomb, { "content-encoding": "gzip" }],
    ["what is not packed as it says", "{}", { "content-encoding": "gzip" }],
    ["a compression that nobody has", "{}", { "content-encoding": "zstd" }],
    ["a timeout that is none", { prompt: "count 1" }, { "connect-timeout-ms": "soon" }],
    ["a deadline that has passed", { prompt: "wait" }, { "connect-timeout-ms": "1" }],
  ])("are refused as Chat is, before the first event: %s", async (_, body, headers) => {
    const [stream, chat] = await Promise.all([
      send(body, { headers: { accept, ...headers } }),
      send(body, { path: paths.chat, headers }),
    ]);
    const said = async (answer: Response) => [
      answer.status,
      answer.headers.get("content-type"),
      answer.headers.get("grpc-retry-pushback-ms"),
      answer.headers.get("www-authenticate"),
      await answer.text(),
    ];
    expect(await said(stream)).toEqual(await said(chat));
    expect(stream.status).toBeGreaterThanOrEqual(400);
  });

  it("take a request that is packed", async () => {
    const body = gzipSync(JSON.stringify({ prompt: "count 1" }));
    const answer = await send(body, { headers: { accept, "content-encoding": "gzip" } });
    expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('"text":"1"')]);
  });

  it("take a content type with its charset", async () => {
    const headers = { accept, "content-type": "Application/JSON; charset=utf-8" };
    expect((await send({ prompt: "count 1" }, { headers })).status).toBe(200);
  });

  it.each(["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/proto", ""])(
    "are not had with another content type, such as a web page can send without asking: %s",
    async (type) => {
      const answer = await send({ prompt: "count 1" }, { headers: { accept, "content-type": type } });
      expect([answer.status, await answer.text()]).toEqual([415, expect.stringContaining("text/event-stream")]);
      expect(test.runner.calls).toHaveLength(0);
    },
  );

  it.each(["GET", "HEAD", "PUT", "DELETE"])("are not had by %s", async (method) => {
    const answer = await send({ prompt: "count 1" }, { method, headers: { accept } });
    expect([answer.status, answer.headers.get("allow")]).toEqual([405, "POST"]);
    expect(test.runner.calls).toHaveLength(0);
  });

  it("end the turn when their reader leaves", async () => {
    const arrival = test.runner.nextCall();
    const answer = await send({ prompt: "wait after-one" }, { headers: { accept } });
    const call = await arrival;
    await answer.body?.cancel();
    expect(await call.aborted).toMatchObject({ rawMessage: "cancelled by the caller" });
    await call.ended;
  });

  it("change nothing for a method that answers once", async () => {
    const answer = await send({}, { path: paths.getInfo, headers: { accept } });
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "application/json"]);
  });
});

describe("a request that names no text form", () => {
  it.each(["*/*", "application/json", "text/*", "text/event-stream;q=0"])(
    "is refused as before, with a hint: Accept: %s",
    async (accept) => {
      const answer = await send({ prompt: "count 1" }, { headers: { accept } });
      expect(answer.status).toBe(415);
      expect(await answer.text()).toContain("with accept: text/event-stream or accept: application/x-ndjson");
      expect(test.runner.calls).toHaveLength(0);
    },
  );

  it("is a stream of Connect's where its content type says so", async () => {
    const head = Buffer.from([0, 0, 0, 0, 20]);
    const body = Buffer.concat([head, Buffer.from('{"prompt":"count 1"}')]);
    const answer = await send(body, { headers: { "content-type": "application/connect+json" } });
    expect(answer.headers.get("content-type")).toBe("application/connect+json");
  });
});

describe("a reader that comes back", () => {
  const turnId = "6a1c1ca0-27a4-4a8e-9d0c-0123456789ab";
  const attach = (lastEventId: string) =>
    send({ turnId, afterSequence: 1 }, { path: paths.attachTurn, headers: { "last-event-id": lastEventId } });

  it("goes on with AttachTurn after the last event that it had", async () => {
    const events = await (await attach("0")).text();
    expect(events.match(/^(event|id): .*$/gm)).toEqual([
      "event: state",
      "event: textDelta",
      "id: 1",
      "event: textDelta",
      "id: 2",
      "event: replayComplete",
    ]);
    expect((await (await attach("1")).text()).match(/^id: .*$/gm)).toEqual(["id: 2"]);
    expect(await (await send({ turnId }, { path: paths.attachTurn })).text()).toContain("id: 1\n");
    expect(attached.map(({ afterSequence }) => afterSequence)).toEqual([0, 1, 0]);
  });

  it("is refused where its last event is none of a turn's", async () => {
    for (const id of ["one", "-1", "2147483648"]) {
      const answer = await attach(id);
      expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining("INVALID_REQUEST")]);
    }
    expect(attached).toEqual([]);
  });

  it("does not run a turn a second time, unless the turn can be told by its request_id", async () => {
    const headers = { "last-event-id": "3" };
    const again = await send({ prompt: "count 1" }, { headers });
    expect([again.status, await again.text()]).toEqual([400, expect.stringContaining("TurnService/AttachTurn")]);
    expect(test.runner.calls).toHaveLength(0);
    expect((await send({ prompt: "count 1", requestId: "r1" }, { headers })).status).toBe(200);
  });
});

it("a method without side effects is not called by GET either", async () => {
  const path = "/claude.runner.v1.TurnService/GetTurn?connect=v1&encoding=json&message=%7B%7D";
  const answer = await send(undefined, { path, method: "GET" });
  expect([answer.status, answer.headers.get("allow")]).toEqual([405, "POST"]);
});

it("a page of an allowed origin may ask for a stream, and say what it had", async () => {
  const origin = "https://app.example.com";
  const wanted = "authorization,content-type,last-event-id";
  const preflight = await send(undefined, {
    method: "OPTIONS",
    headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": wanted },
  });
  const allowed = (preflight.headers.get("access-control-allow-headers") ?? "").toLowerCase().split(/, */);
  expect(allowed).toEqual(expect.arrayContaining(wanted.split(",")));
  const answer = await send({ prompt: "count 1" }, { headers: { origin } });
  expect(answer.headers.get("access-control-allow-origin")).toBe(origin);
  expect(answer.headers.get("content-type")).toBe(sse);
  const stranger = await send({ prompt: "count 1" }, { headers: { origin: "https://evil.example.com" } });
  expect(stranger.status).toBe(403);
});
