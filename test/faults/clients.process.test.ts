/**
 * Callers that do not behave: they read nothing, or slowly, vanish with and without a word, cancel while they wait.
 */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { request as http1Request, type IncomingMessage } from "node:http";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { Code } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Outcome } from "../../gen/claude/runner/v1/result_pb.ts";
import { sha256Of } from "../../src/policy/auth.ts";
import { failureOf } from "../contract/transports.ts";
import { readTurn } from "../contract/turn.ts";
import { type RawStream, rawStream, requestFrame, streamChatPath } from "../e2e/raw-calls.ts";
import { tenants } from "../e2e/scene.ts";
import { until } from "../until.ts";
import { type FakeScene, openFakeScene, recorded, slowAnswer } from "./fake-scene.ts";

const mebibytes = 1024 * 1024;
/** 40 MB of text: more than all buffers on the way hold. */
const flood = '[[fake answer {"flood":{"deltas":40000,"chars":1000}}]]';
const ports = ["grpc", "web"] as const;

describe("a caller", () => {
  let scene: FakeScene;
  beforeAll(async () => {
    scene = await openFakeScene({
      grpc: { keepaliveTimeMs: 1_000, keepaliveTimeoutMs: 500 },
      calls: { stalledReaderMs: 1_000, maxTimeoutMs: 20_000, defaultTimeoutMs: 3_000 },
      // One tenant alone, so that the whole queue is its own.
      auth: { maxTurnsInFlightPerTenant: 64, tokens: [{ tenant: "acme", sha256: sha256Of(tenants.acme) }] },
      profiles: { default: { maxWorkers: 8 }, narrow: { maxWorkers: 1, minSpares: 1 } },
      queue: { maxLength: 40 },
    });
  });
  afterAll(() => scene.close());
  afterEach(async () => {
    await until(() => ["default", "narrow"].every((of) => scene.workers(of).claimed === 0), {
      see: () => scene.workers(),
    });
    const turn = await readTurn(scene.client.streamChat({ prompt: "Are you well?" }));
    expect(turn.text).toBe("You said: Are you well?");
  });

  const call = (port: (typeof ports)[number], prompt: string, profile = "default"): RawStream =>
    rawStream({
      port: port === "grpc" ? scene.target.grpcPort : scene.target.webPort,
      body: requestFrame({ prompt, profile, labels: { job: prompt.slice(-36) } }),
      headers: { "grpc-timeout": "15S" },
      token: tenants.acme,
    });

  /** The line of a turn whose prompt ends in this id. */
  const bookedAs = (id: string) =>
    scene.book.wait(
      ({ message, labels }) => /^turn (ended|refused)$/.test(message) && (labels as { job?: string })?.job === id,
    );

  /** How much the server grew at most, until it is asked. */
  const watchMemory = () => {
    const before = process.memoryUsage().rss;
    let peak = 0;
    const timer = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss - before);
    }, 20);
    return () => {
      clearInterval(timer);
      return peak;
    };
  };

  describe("who reads nothing", () => {
    it.each(ports)("keeps little in memory, is given up, and its stream is reset: %s port", async (port) => {
      const id = randomUUID();
      const peak = watchMemory();
      const { session, stream } = call(port, `${flood} ${id}`);
      await once(stream, "response");
      // Nobody listens to its data. The server has to end it by itself.
      const closed = new Promise((resolve) => stream.once("close", resolve));
      const line = await bookedAs(id);
      expect(line).toMatchObject({ outcome: "client_stalled", reason: "client_stalled" });
      await until(() => scene.workers().claimed === 0, { see: () => scene.workers() });
      expect(peak()).toBeLessThan(120 * mebibytes);
      stream.resume();
      await closed;
      session.destroy();
    });

    it("over HTTP/1.1 is given up as well", async () => {
      const id = randomUUID();
      const request = http1Request({
        port: scene.target.webPort,
        method: "POST",
        path: streamChatPath,
        headers: { "content-type": "application/connect+proto", authorization: `Bearer ${tenants.acme}` },
      });
      request.end(requestFrame({ prompt: `${flood} ${id}`, labels: { job: id } }));
      const [response] = (await once(request, "response")) as [IncomingMessage];
      response.pause();
      expect(await bookedAs(id)).toMatchObject({ outcome: "client_stalled", reason: "client_stalled" });
      response.on("error", () => undefined);
      request.on("error", () => undefined);
      request.destroy();
    });
  });

  it.each(ports)("who reads slowly gets all of it, and the worker waits: %s port", async (port) => {
    const id = randomUUID();
    const peak = watchMemory();
    const { session, stream } = call(port, `[[fake answer {"flood":{"deltas":8000,"chars":1000}}]] ${id}`);
    let bytes = 0;
    for await (const chunk of stream) {
      bytes += (chunk as Buffer).length;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    session.destroy();
    expect(bytes).toBeGreaterThan(8_000_000);
    expect(await bookedAs(id)).toMatchObject({ outcome: "completed" });
    expect(peak()).toBeLessThan(120 * mebibytes);
  });

  it.each(ports)("who vanishes without a word is noticed by its silence: %s port", async (port) => {
    const id = randomUUID();
    const mute = await openMutingProxy(port === "grpc" ? scene.target.grpcPort : scene.target.webPort);
    const { session, stream } = rawStream({
      port: mute.port,
      body: requestFrame({ prompt: `${slowAnswer} ${id}`, labels: { job: id } }),
      headers: { "grpc-timeout": "15S" },
      token: tenants.acme,
    });
    stream.resume();
    await once(stream, "data");
    mute.mute();
    expect(await bookedAs(id)).toMatchObject({ message: "turn ended", outcome: "cancelled" });
    session.destroy();
    mute.close();
  });

  it("of forty who vanish at once costs nothing but their turns: each ends once, none is left, none waits", async () => {
    const from = scene.book.position;
    const calls = await Promise.all(
      Array.from({ length: 40 }, async (_, at) => {
        const id = randomUUID();
        const raw = call(ports[at % 2]!, `${slowAnswer} ${id}`);
        raw.stream.resume();
        return { ...raw, id };
      }),
    );
    // Eight have a worker by now, the others wait.
    await until(() => scene.workers().claimed === 8 && queued() === 32, { see: () => scene.workers() });
    for (const { session } of calls) (session.socket as Socket).destroy();
    const lines = await Promise.all(calls.map(({ id }) => bookedAs(id)));
    for (const { outcome, reason } of lines) expect(["cancelled", "CANCELLED"]).toContain(reason ?? outcome);
    expect(queued()).toBe(0);
    await until(() => scene.workers().claimed === 0, { see: () => scene.workers() });
    // Only those whose prompt had been written count as turns: of the eight, unless a socket was gone even before that.
    const asked = await recorded(scene.fake, ({ in: line }) =>
      calls.some(({ id }) => JSON.stringify(line ?? "").includes(id)),
    );
    expect(asked.length).toBeLessThanOrEqual(8);
    expect(scene.book.since(from, "turn ended")).toHaveLength(asked.length);
    expect([...scene.book.since(from, "turn ended"), ...scene.book.since(from, "turn refused")]).toHaveLength(40);
    for (const { session } of calls) session.destroy();
  });

  const queued = (profile = "default") =>
    scene.runner.pool.snapshot().profiles.find((of) => of.profile === profile)?.waitingCount;

  describe("who waits for a worker", () => {
    /** Someone has the only worker of the profile. */
    const occupy = async () => {
      const stop = new AbortController();
      const started = Promise.withResolvers<void>();
      const request = { prompt: "[[fake hang]] wait", profile: "narrow" };
      const reading = readTurn(scene.client.streamChat(request, { signal: stop.signal }), () => started.resolve());
      await started.promise;
      return async () => {
        stop.abort();
        await reading;
      };
    };

    it("and cancels leaves the queue and costs nothing", async () => {
      const free = await occupy();
      const claims = scene.claimCount();
      const stop = new AbortController();
      const waiting = failureOf(scene.client.streamChat({ prompt: "x", profile: "narrow" }, { signal: stop.signal }));
      await until(() => queued("narrow") === 1, { see: () => queued("narrow") });
      stop.abort();
      expect(await waiting).toMatchObject({ code: Code.Canceled });
      await until(() => queued("narrow") === 0, { see: () => queued("narrow") });
      expect(scene.claimCount()).toBe(claims);
      await free();
    });

    it("until its deadline is told so, and its turn never starts", async () => {
      const free = await occupy();
      const claims = scene.claimCount();
      const from = scene.book.position;
      const failure = await failureOf(scene.client.streamChat({ prompt: "x", profile: "narrow" }, { timeoutMs: 300 }));
      expect(failure.code).toBe(Code.DeadlineExceeded);
      await scene.book.wait(({ message }) => message === "turn refused", from);
      expect(scene.claimCount()).toBe(claims);
      await free();
    });

    it("when too many do already is refused at once, with a push-back, and without headers", async () => {
      const free = await occupy();
      const stop = new AbortController();
      const waiting = Array.from({ length: 40 }, () =>
        failureOf(scene.client.streamChat({ prompt: "x", profile: "narrow" }, { signal: stop.signal })),
      );
      await until(() => queued("narrow") === 40, { see: () => queued("narrow") });
      const failure = await failureOf(scene.client.streamChat({ prompt: "x", profile: "narrow" }));
      expect(failure).toMatchObject({ code: Code.Unavailable, reason: "QUEUE_FULL", sawHeaders: false });
      expect(failure.pushbackMs).toBeGreaterThan(0);
      expect(failure.retryAfterMs).toBeGreaterThan(0);
      stop.abort();
      for (const refused of await Promise.all(waiting)) expect(refused.code).toBe(Code.Canceled);
      await free();
    });
  });

  it("without a deadline gets the server's, and the result before the status", async () => {
    const turn = await readTurn(scene.client.streamChat({ prompt: slowAnswer }));
    expect(turn.failure).toMatchObject({ code: Code.DeadlineExceeded, reason: "DEADLINE_EXCEEDED", pushbackMs: -1 });
    expect(turn.result.outcome).toBe(Outcome.DEADLINE_EXCEEDED);
    // What was not read in time is dropped, but not from the result.
    expect(turn.result.text.startsWith(turn.text)).toBe(true);
  });
});

/** Passes bytes on until it is muted; then it holds its connections and passes nothing on, as a dead network does. */
async function openMutingProxy(port: number) {
  let isMute = false;
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("error", () => undefined);
      from.on("data", (chunk) => {
        if (!isMute) to.write(chunk);
      });
      from.on("end", () => {
        if (!isMute) to.end();
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    mute: () => {
      isMute = true;
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
