/**
 * The sample files for proxies do what they promise, with the real programs: streams pass as they come, cancels, deadlines
 * and refusals arrive, callers count by their own address, and nothing is cut off that the server allows.
 */
import { networkInterfaces } from "node:os";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { settingsSchema } from "../../src/config/settings.ts";
import { type ContractClient, failureOf, transportKinds } from "../contract/transports.ts";
import { startTestServers, type TestServers, textsOf } from "../server/scripted-runner.ts";
import { isInstalled, proxyKinds, type RunningProxy, readDeployed, startProxy } from "./proxies.ts";

/** `.ci/run` installs those that Debian has: there a missing one is a mistake. */
const canBeSkipped = (program: string) => process.env.CI === undefined || program.includes("envoy");

/** One client of each protocol and HTTP version. */
const overTls = transportKinds.filter(({ name, tls, port, protocol, library }) => {
  if (!tls || name.startsWith("Connect JSON")) return false;
  return protocol === "grpc" ? port === "grpc" && library === "grpc-js" : port === "web";
});

describe.each(proxyKinds)("through $name", (kind) => {
  describe.skipIf(canBeSkipped(kind.program) && !isInstalled(kind))("with the file of deploy/", () => {
    let test: TestServers;
    let proxy: RunningProxy;
    beforeAll(async () => {
      test = await startTestServers({
        change: (settings) => {
          settings.behindProxy = true;
          settings.trustedProxies = ["127.0.0.1"];
        },
      });
      proxy = await startProxy(kind, test.target);
    });
    afterAll(async () => {
      await proxy?.stop();
      await test?.stop();
    });
    beforeEach(() => {
      test.runner.calls.length = 0;
    });

    describe.each(overTls)("$name", (transport) => {
      let client: ContractClient;
      beforeAll(() => {
        client = transport.connect({ ...test.target, grpcPort: proxy.grpcPort, webPort: proxy.webPort });
      });
      afterAll(() => client?.close());

      it("an event arrives when it is sent, long before the stream ends; a cancel arrives, too", async () => {
        const cancel = new AbortController();
        const arrival = test.runner.nextCall();
        const stream = client
          .streamChat({ prompt: "wait after-one" }, { signal: cancel.signal })
          [Symbol.asyncIterator]();
        expect((await stream.next()).value).toMatchObject({ sequence: 1 });
        const call = await arrival;
        cancel.abort();
        await stream.next().catch(() => {});
        expect((await call.aborted).code).toBe(Code.Canceled);
        await call.ended;
      });

      it("what comes in the middle of a silent stream, such as a heartbeat, arrives as it comes", async () => {
        const stream = client.watchPool({})[Symbol.asyncIterator]();
        expect((await stream.next()).done).toBe(false);
        test.pool.change({ isServing: !test.pool.snapshot().isServing });
        expect((await stream.next()).done).toBe(false);
        await stream.return?.();
      });

      it("a deadline reaches the server", async () => {
        const arrival = test.runner.nextCall();
        const failure = failureOf(client.streamChat({ prompt: "wait" }, { timeoutMs: 400 }));
        const call = await arrival;
        expect(call.context.timeoutMs()).toBeLessThanOrEqual(400);
        expect((await failure).code).toBe(Code.DeadlineExceeded);
        await call.ended;
      });

      it("a refusal arrives with its reason and with when to retry", async () => {
        const failure = await failureOf(client.streamChat({ prompt: "refuse" }));
        expect(failure).toMatchObject({ code: Code.Unavailable, reason: "QUEUE_FULL", pushbackMs: 30 });
      });

      it("a request of many megabytes passes", async () => {
        const image = { mediaType: "image/png", data: new Uint8Array(5 * 1024 * 1024) };
        const content = [{ block: { case: "image" as const, value: image } }];
        expect(await textsOf(client.streamChat({ prompt: "length of it", content }))).toEqual(["12"]);
      });

      it("the caller's own address arrives at the right end, whatever it says of itself", async () => {
        const headers = { "x-forwarded-for": "198.51.100.9" };
        const [seen = ""] = await textsOf(client.streamChat({ prompt: "echo-header x-forwarded-for" }, { headers }));
        // Envoy writes this machine's own address for a loopback one.
        const own = Object.values(networkInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? []);
        expect(own).toContain(seen.split(/, ?/).at(-1));
      });
    });
  });
});

describe("the sample files", () => {
  const { calls } = settingsSchema.parse({});
  const secondsOf = (file: string, pattern: RegExp) =>
    [...readDeployed(file).matchAll(pattern)].map((match) => Number(match[1]));

  it("allow for the longest silence: an answer that comes in one piece, after the longest deadline", () => {
    const limits = [
      secondsOf("nginx/claude-runner.conf", /(?:grpc|proxy)_(?:read|send)_timeout (\d+)s;/g),
      secondsOf("haproxy/haproxy.cfg", /timeout (?:client|server) (\d+)s$/gm),
      secondsOf("envoy/envoy.yaml", /stream_idle_timeout: (\d+)s$/gm),
    ];
    expect(limits.map(({ length }) => length)).toEqual([4, 2, 1]);
    for (const seconds of limits.flat()) expect(seconds * 1_000).toBeGreaterThan(calls.maxTimeoutMs);
  });

  it("let in the largest request, and switch off Envoy's limit on whole answers in each route", () => {
    const megabytes = secondsOf("nginx/claude-runner.conf", /client_max_body_size (\d+)m;/g);
    expect(megabytes).toHaveLength(2);
    for (const size of megabytes) expect(size * 1024 * 1024).toBeGreaterThan(calls.maxRequestBytes);
    const routes = readDeployed("envoy/envoy.yaml").match(/route: \{.*\}/g) ?? [];
    expect(routes).toHaveLength(2);
    for (const route of routes) expect(route).toContain("timeout: 0s");
  });
});
