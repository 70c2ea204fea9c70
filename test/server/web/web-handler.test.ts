import { Agent, request as httpRequest } from "node:http";
import { connect as connectHttp2, constants } from "node:http2";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startTestServers, type TestServers, testToken } from "../scripted-runner.ts";

let test: TestServers;
beforeAll(async () => {
  test = await startTestServers({
    change: ({ calls }) => {
      calls.maxRequestBytes = 65_536;
    },
  });
});
afterAll(() => test.stop());
beforeEach(() => {
  test.runner.calls.length = 0;
  test.logged.length = 0;
});

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

const chatPath = "/claude.runner.v1.ClaudeRunner/Chat";
const authorization = `Bearer ${testToken}`;

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
  readonly agent?: Agent;
}

/** Plain HTTP/1.1, as curl speaks it. */
function http1({ method = "POST", path = chatPath, headers = {}, body = "", agent }: Sent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      `${test.webUrl}${path}`,
      { method, headers: { authorization, "content-type": "application/json", ...headers }, agent: agent ?? false },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("end", () =>
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            text: Buffer.concat(chunks).toString(),
          }),
        );
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

/** Plain HTTP/2. */
async function http2({ method = "POST", path = chatPath, headers = {}, body = "" }: Sent): Promise<Answer> {
  const session = connectHttp2(test.webUrl);
  try {
    return await new Promise((resolve, reject) => {
      const stream = session.request(
        { ":method": method, ":path": path, authorization, ...headers },
        { endStream: false },
      );
      const chunks: Buffer[] = [];
      let answered: Record<string, string> = {};
      const merge = (more: object) => {
        answered = { ...answered, ...(more as Record<string, string>) };
      };
      stream.on("response", merge).on("trailers", merge).on("error", reject);
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () =>
        resolve({ status: Number(answered[":status"]), headers: answered, text: Buffer.concat(chunks).toString() }),
      );
      stream.end(body);
    });
  } finally {
    session.close();
  }
}

const json = (answer: Answer) =>
  JSON.parse(answer.text) as { code?: string; message?: string; details?: { debug?: object }[] };

describe("plain JSON, as curl sends it", () => {
  it("needs a content type and a token, and no header of Connect's", async () => {
    const answer = await http1({ body: JSON.stringify({ prompt: "count 3" }) });
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toEqual({ text: "123" });
  });

  it("gets an error as JSON with its reason", async () => {
    const answer = await http1({ body: JSON.stringify({ prompt: "refuse" }) });
    expect(answer.status).toBe(503);
    expect(json(answer)).toMatchObject({ code: "unavailable", message: "queue is full: 3 turns waiting, limit 3" });
    expect(answer.headers["grpc-retry-pushback-ms"]).toBe("30");
    expect(answer.text).toContain("google.rpc.ErrorInfo");
  });

  it.each([
    ["what is no JSON", "{", "application/json"],
    ["what is no such message", '{"prompt":5}', "application/json"],
    ["bytes that are no message", "\xff\xff\xff", "application/proto"],
  ])("is refused as INVALID_REQUEST for %s", async (_, body, type) => {
    const answer = await http1({ body: Buffer.from(body, "latin1"), headers: { "content-type": type } });
    expect(answer.status).toBe(400);
    expect(json(answer)).toMatchObject({ code: "invalid_argument" });
    expect(answer.text).toContain("INVALID_REQUEST");
    expect(test.runner.calls).toHaveLength(0);
  });

  it("is told to send a token", async () => {
    const answer = await http1({ headers: { authorization: "" } });
    expect(answer.status).toBe(401);
    expect(answer.headers["www-authenticate"]).toBe("Bearer");
  });

  it("is not read before the token is known", async () => {
    // Were it read, what is no JSON would be told first.
    expect((await http1({ headers: { authorization: "Bearer wrong" }, body: "{".repeat(60_000) })).status).toBe(401);
  });

  it("cannot blow a small request up", async () => {
    const body = gzipSync(JSON.stringify({ prompt: `length ${"x".repeat(1_000_000)}` }));
    expect(body.length).toBeLessThan(2_000);
    const answer = await http1({ body, headers: { "content-encoding": "gzip" } });
    expect(answer.status).toBe(413);
    expect(json(answer)).toMatchObject({ code: "resource_exhausted" });
    expect(test.runner.calls).toHaveLength(0);
  });

  it("that is too large gets 413, which nobody reads as `later`; who names the Connect protocol gets its 429", async () => {
    const body = JSON.stringify({ prompt: "x".repeat(70_000) });
    expect((await http1({ body })).status).toBe(413);
    expect((await http1({ body, headers: { "connect-protocol-version": "1" } })).status).toBe(429);
  });

  it("may carry a timeout longer than a timer can be", async () => {
    const answer = await http1({
      body: JSON.stringify({ prompt: "count 1" }),
      headers: { "connect-timeout-ms": "9999999999" },
    });
    expect(answer.status).toBe(200);
    expect(test.runner.calls[0]?.context.timeoutMs()).toBeGreaterThan(86_400_000);
  });
});

describe("a request that is answered before it has been read", () => {
  it("does not cost its connection: the next one follows on it", async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const sockets = new Set<unknown>();
    agent.on("free", (socket) => sockets.add(socket));
    const path = "/claude.runner.v1.ClaudeRunner/StreamChat";
    for (let round = 0; round < 10; round += 1) {
      const tooLarge = Buffer.alloc(8 * 1024 * 1024);
      tooLarge.writeUInt32BE(tooLarge.length - 5, 1);
      const type = { "content-type": "application/connect+proto" };
      const refused = await http1({ path, body: tooLarge, agent, headers: type });
      expect(refused.text).toContain("resource_exhausted");
      expect((await http1({ body: JSON.stringify({ prompt: "count 1" }), agent })).status).toBe(200);
    }
    expect(sockets.size).toBe(1);
    agent.destroy();
  });
});

describe("what web pages can send without asking first", () => {
  it.each(["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])(
    "is refused: %s",
    async (type) => {
      const answer = await http1({ headers: { "content-type": type }, body: JSON.stringify({ prompt: "count 1" }) });
      expect(answer.status).toBe(415);
      expect(test.runner.calls).toHaveLength(0);
    },
  );

  it("is never a GET", async () => {
    const path = `${chatPath}?connect=v1&encoding=json&message=%7B%7D`;
    expect((await http1({ method: "GET", path })).status).toBe(405);
  });
});

describe.each([
  ["HTTP/1.1", http1],
  ["HTTP/2", http2],
] as const)("over %s", (version, send) => {
  const body = JSON.stringify({ prompt: "count 1" });
  const type = { "content-type": "application/json" };
  const hostHeader = version === "HTTP/1.1" ? "host" : ":authority";

  it("answers for the loopback names and the hosts of the settings, on any port", async () => {
    for (const host of ["localhost", "127.0.0.1:99", "runner.example.com", "Runner.Example.com:443"]) {
      expect((await send({ body, headers: { ...type, [hostHeader]: host } })).status).toBe(200);
    }
  });

  it("answers 421 for any other host, whatever else is right", async () => {
    for (const host of ["evil.example.com", "localhost.example.com", "10.1.2.3", "localhost:99999"]) {
      expect((await send({ body, headers: { ...type, [hostHeader]: host } })).status).toBe(421);
    }
    expect(test.runner.calls).toHaveLength(0);
  });

  it("answers 403 to any other origin, also to its preflight, and says nothing about CORS", async () => {
    for (const method of ["POST", "OPTIONS"]) {
      for (const origin of ["https://evil.example.com", "null", "http://app.example.com"]) {
        const answer = await send({ method, body, headers: { ...type, origin } });
        expect(answer.status).toBe(403);
        expect(Object.keys(answer.headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
      }
    }
    expect(test.runner.calls).toHaveLength(0);
  });

  it("lets pages of an origin in the settings call, and read status and push-back", async () => {
    const origin = "https://app.example.com";
    const preflight = await send({
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "POST", authorization: "" },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers).toMatchObject({
      "access-control-allow-origin": origin,
      "access-control-allow-methods": "POST",
      vary: "Origin",
    });
    const allowed = String(preflight.headers["access-control-allow-headers"]).toLowerCase();
    for (const name of ["authorization", "content-type", "connect-protocol-version", "x-grpc-web", "traceparent"]) {
      expect(allowed).toContain(name);
    }
    for (const prompt of ["count 1", "refuse"]) {
      const answer = await send({ body: JSON.stringify({ prompt }), headers: { ...type, origin } });
      expect(answer.headers).toMatchObject({ "access-control-allow-origin": origin, vary: "Origin" });
      const exposed = String(answer.headers["access-control-expose-headers"]).toLowerCase();
      for (const name of ["grpc-status", "grpc-message", "grpc-status-details-bin", "grpc-retry-pushback-ms"]) {
        expect(exposed).toContain(name);
      }
    }
  });

  it("answers 404 to a path that is nothing, and gRPC's own status to gRPC", async () => {
    expect((await send({ path: "/no.such.Service/Method", headers: type })).status).toBe(404);
    for (const grpcType of ["application/grpc", "application/grpc-web+proto"]) {
      const answer = await send({ path: "/no.such.Service/Method", headers: { "content-type": grpcType } });
      expect(answer).toMatchObject({ status: 200, headers: { "grpc-status": "12", "content-type": grpcType } });
    }
  });

  it("tells people what it is", async () => {
    const answer = await send({ method: "GET", path: "/" });
    expect(answer.status).toBe(200);
    expect(answer.text).toContain("claude-runner");
  });

  it("refuses headers that are too large", async () => {
    expect((await send({ body, headers: { ...type, "x-large": "x".repeat(20_000) } })).status).toBe(431);
  });
});

describe("gRPC on the web port", () => {
  it("tells an early failure in one HEADERS frame, before any body", async () => {
    const session = connectHttp2(test.webUrl);
    const stream = session.request({
      ":method": "POST",
      ":path": "/claude.runner.v1.ClaudeRunner/StreamChat",
      "content-type": "application/grpc",
      te: "trailers",
      authorization,
    });
    const seen: string[] = [];
    stream.on("response", (_, flags) => {
      seen.push((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0 ? "headers, end" : "headers");
    });
    stream.on("trailers", () => seen.push("trailers"));
    const prompt = Buffer.from("refuse");
    const message = Buffer.concat([Buffer.from([0x12, prompt.length]), prompt]);
    stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]));
    stream.resume();
    await new Promise((resolve) => stream.on("close", resolve));
    expect(seen).toEqual(["headers, end"]);
    session.close();
  });
});

describe("what people and proxies need to be told", () => {
  const stream = "/claude.runner.v1.ClaudeRunner/StreamChat";
  const envelope = (text: string) => {
    const head = Buffer.alloc(5);
    head.writeUInt32BE(text.length, 1);
    return Buffer.concat([head, Buffer.from(text)]);
  };

  it("streams tell nginx not to hold them back, whatever protocol they speak; single answers have no need", async () => {
    const headers = { "content-type": "application/connect+json" };
    const body = envelope('{"prompt":"count 1"}');
    expect((await http1({ path: stream, headers, body })).headers["x-accel-buffering"]).toBe("no");
    expect((await http2({ path: stream, headers, body })).headers["x-accel-buffering"]).toBe("no");
    const grpc = { "content-type": "application/grpc+json", te: "trailers" };
    expect((await http2({ path: stream, headers: grpc, body })).headers["x-accel-buffering"]).toBe("no");
    expect((await http1({ body: '{"prompt":"count 1"}' })).headers["x-accel-buffering"]).toBeUndefined();
  });

  it("415 says which content types the method speaks", async () => {
    for (const type of ["text/plain", "application/json", "application/grpc-web-text"]) {
      const answer = await http1({ path: stream, headers: { "content-type": type }, body: "{}" });
      expect(answer.status).toBe(415);
      expect(answer.text).toContain(`StreamChat does not support the content type ${type}`);
      expect(answer.text).toContain("application/connect+json");
    }
    const once = await http1({ headers: { "content-type": "text/plain" }, body: "{}" });
    expect([once.status, once.text]).toEqual([415, expect.stringContaining("It supports application/json or")]);
  });

  it("404 and 405 say what this is and where its API is", async () => {
    const openAi = await http1({ path: "/v1/chat/completions", body: "{}" });
    expect([openAi.status, openAi.text]).toEqual([404, expect.stringContaining("claude.runner.v1.ClaudeRunner/Chat")]);
    const get = await http1({ method: "GET" });
    expect([get.status, get.headers.allow, get.text]).toEqual([405, "POST", expect.stringContaining("called by POST")]);
  });
});
