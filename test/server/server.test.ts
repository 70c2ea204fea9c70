import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { Code } from "@connectrpc/connect";
import { afterEach, describe, expect, it } from "vitest";
import { type Settings, settingsSchema } from "../../src/config/settings.ts";
import { sha256Of } from "../../src/policy/auth.ts";
import { exposureProblems, servesReflection } from "../../src/server/exposure.ts";
import { failureOf, grpcJsClient, testTls, transportKinds } from "../contract/transports.ts";
import { FakeClock } from "../fake-clock.ts";
import { until } from "../until.ts";
import { startTestServers, type TestServers, testToken, textsOf } from "./scripted-runner.ts";

const running: TestServers[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((test) => test.stop()));
});
async function start(options: Parameters<typeof startTestServers>[0] = {}): Promise<TestServers> {
  const test = await startTestServers(options);
  running.push(test);
  return test;
}

const token = { tenant: "acme", sha256: sha256Of("x"), profiles: ["*"], operator: false, weight: 1 };

function settingsWith(change: (settings: Settings) => void): Settings {
  const settings = settingsSchema.parse({});
  change(settings);
  return settings;
}

describe("ports that other machines can reach", () => {
  it("are no question while everything is loopback", () => {
    expect(exposureProblems(settingsWith(() => {}))).toEqual([]);
    expect(
      exposureProblems(
        settingsWith(({ auth }) => {
          auth.insecureNoAuth = true;
        }),
      ),
    ).toEqual([]);
  });

  it("need TLS, or a proxy that does it", () => {
    const open = (change: (settings: Settings) => void) =>
      settingsWith((settings) => {
        settings.grpc.host = "0.0.0.0";
        settings.auth.tokens = [token];
        change(settings);
      });
    expect(exposureProblems(open(() => {}))).toEqual([expect.stringMatching(/^grpc\.host: .*grpc\.tls.*behindProxy/)]);
    expect(
      exposureProblems(
        open((settings) => {
          settings.behindProxy = true;
        }),
      ),
    ).toEqual([]);
    expect(
      exposureProblems(
        open((settings) => {
          settings.grpc.tls = testTls;
        }),
      ),
    ).toEqual([]);
  });

  it("need a configured token, and never go without authentication", () => {
    const open = (change: (settings: Settings) => void) =>
      settingsWith((settings) => {
        settings.web.host = "192.0.2.1";
        settings.web.tls = testTls;
        change(settings);
      });
    expect(exposureProblems(open(() => {}))).toEqual([expect.stringMatching(/^auth\.tokens: .*web\.host/)]);
    expect(
      exposureProblems(
        open(({ auth }) => {
          auth.tokens = [token];
          auth.insecureNoAuth = true;
        }),
      ),
    ).toEqual([expect.stringMatching(/^auth\.insecureNoAuth/)]);
    expect(
      exposureProblems(
        open(({ auth }) => {
          auth.tokens = [token];
        }),
      ),
    ).toEqual([]);
  });

  it("do not count when they are not opened", () => {
    expect(
      exposureProblems(
        settingsWith(({ web }) => {
          web.host = "0.0.0.0";
          web.enabled = false;
        }),
      ),
    ).toEqual([]);
  });

  it("are told all that is wrong at once, and nothing is opened", async () => {
    await expect(
      start({
        change: ({ grpc, web, auth }) => {
          grpc.host = "0.0.0.0";
          web.host = "::";
          auth.tokens = [];
        },
      }),
    ).rejects.toThrow(/grpc\.host.*web\.host.*auth\.tokens/s);
  });

  it("switch reflection off, unless the settings say otherwise", () => {
    expect(servesReflection(settingsWith(() => {}))).toBe(true);
    expect(
      servesReflection(
        settingsWith(({ web }) => {
          web.host = "0.0.0.0";
        }),
      ),
    ).toBe(false);
    expect(
      servesReflection(
        settingsWith(({ auth }) => {
          auth.reflection = "off";
        }),
      ),
    ).toBe(false);
    expect(
      servesReflection(
        settingsWith(({ web, auth }) => {
          web.host = "0.0.0.0";
          auth.reflection = "on";
        }),
      ),
    ).toBe(true);
  });
});

describe("a start", () => {
  it("tells the ports that it got", async () => {
    const { servers } = await start();
    expect(servers.grpc).toEqual({ host: "127.0.0.1", port: expect.any(Number) });
    expect(servers.grpc.port).toBeGreaterThan(0);
    expect(servers.web?.port).not.toBe(servers.grpc.port);
  });

  it("opens no web port when that is switched off", async () => {
    const { servers } = await start({
      change: ({ web }) => {
        web.enabled = false;
      },
    });
    expect(servers.web).toBeUndefined();
  });

  it.each(["grpc", "web"] as const)("names the setting when the %s port is taken, and opens neither", async (name) => {
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, "127.0.0.1", resolve));
    const { port } = blocker.address() as { port: number };
    const other = await freePort();
    const starting = start({
      change: (settings) => {
        settings.grpc.port = other;
        settings[name].port = port;
      },
    });
    await expect(starting).rejects.toThrow(new RegExp(`^${name}\\.port: 127\\.0\\.0\\.1:${port} is in use`));
    // What had been opened is closed again.
    await start({
      change: ({ grpc }) => {
        grpc.port = other;
      },
    });
    blocker.close();
  });

  it.each(["certFile", "keyFile"] as const)("names the setting when the %s cannot be read", async (name) => {
    await expect(
      start({
        change: ({ web }) => {
          web.tls = { ...testTls, [name]: "/nowhere.pem" };
        },
      }),
    ).rejects.toThrow(`web.tls.${name}`);
  });

  it("names the setting when certificate and key do not fit", async () => {
    await expect(
      start({
        change: ({ grpc }) => {
          grpc.tls = { ...testTls, keyFile: testTls.certFile };
        },
      }),
    ).rejects.toThrow(/^grpc\.tls/);
  });
});

describe("new certificates", () => {
  it("are shown to new connections; if they cannot be read the old ones stay", async () => {
    const folder = await mkdtemp(join(tmpdir(), "claude-runner-tls-"));
    const files = { certFile: join(folder, "crt"), keyFile: join(folder, "key") };
    await copyFile(testTls.certFile, files.certFile);
    await copyFile(testTls.keyFile, files.keyFile);
    const test = await start({
      change: ({ grpc, web }) => {
        grpc.tls = files;
        web.tls = files;
      },
    });
    const ports = [test.target.grpcPort, test.target.webPort];
    const subjects = () => Promise.all(ports.map(subjectOf));
    expect(await subjects()).toEqual(["claude-runner test", "claude-runner test"]);

    await rm(files.certFile);
    await expect(test.servers.prepareTls()).rejects.toThrow("grpc.tls.certFile");
    expect(await subjects()).toEqual(["claude-runner test", "claude-runner test"]);

    const renewed = new URL("../fixtures/tls/renewed", import.meta.url).pathname;
    await copyFile(`${renewed}.crt`, files.certFile);
    await copyFile(`${renewed}.key`, files.keyFile);
    (await test.servers.prepareTls())();
    expect(await subjects()).toEqual(["claude-runner renewed", "claude-runner renewed"]);
    await rm(folder, { recursive: true });
  });

  it("of the clients are asked for when the settings name an authority", async () => {
    const test = await start({
      change: ({ grpc, web }) => {
        grpc.tls = { ...testTls, clientCaFile: testTls.certFile };
        web.tls = { ...testTls, clientCaFile: testTls.certFile };
      },
    });
    for (const kind of transportKinds.filter(({ tls }) => tls)) {
      const client = kind.connect(test.target);
      expect((await failureOf(client.streamChat({ prompt: "count 1" }, { timeoutMs: 2_000 }))).code).not.toBe(0);
      client.close();
    }
    expect(test.runner.calls).toEqual([]);
  });
});

describe("the bytes of all requests that are being read", () => {
  it("are bounded, and free again when the requests are over", async () => {
    const test = await start({
      change: ({ calls }) => {
        calls.maxRequestBytes = 8 * 1024 * 1024;
        calls.maxRequestBytesInFlight = 2 * 1024 * 1024;
      },
    });
    for (const kind of transportKinds.filter(({ tls, httpVersion }) => !tls && httpVersion === "2")) {
      const client = kind.connect(test.target);
      const tooMuch = client.streamChat({ prompt: "length ".padEnd(4 * 1024 * 1024, "x") });
      expect(await failureOf(tooMuch)).toMatchObject({
        code: Code.ResourceExhausted,
        reason: "QUOTA_EXCEEDED",
        facts: { subject: "tenant:acme" },
      });
      for (let round = 0; round < 3; round += 1) {
        expect(await textsOf(client.streamChat({ prompt: "length ".padEnd(700_000, "x") }))).toEqual(["700000"]);
      }
      client.close();
    }
  });
});

describe("a drain", () => {
  const kinds = transportKinds.filter(({ tls }) => !tls);

  it.each(kinds)("waits for running calls: $name", async (kind) => {
    const test = await start();
    const client = kind.connect(test.target);
    const abort = new AbortController();
    const stream = client.streamChat({ prompt: "wait after-one" }, { signal: abort.signal })[Symbol.asyncIterator]();
    await stream.next();
    expect(test.servers.openCallCount()).toBe(1);
    let isStopped = false;
    const stopping = test.servers.stop({ drainTimeoutMs: 60_000 }).then(() => {
      isStopped = true;
    });
    const late = kind.connect(test.target);
    expect((await failureOf(late.streamChat({ prompt: "count 1" }, { timeoutMs: 1_000 }))).code).toBeGreaterThan(0);
    expect(isStopped).toBe(false);
    const rest = stream.next().catch(() => undefined);
    abort.abort();
    await rest;
    await stopping;
    expect(test.servers.openCallCount()).toBe(0);
    late.close();
    client.close();
  });

  it.each(kinds)("tells the calls that do not end what happened: $name", async (kind) => {
    const test = await start();
    const client = kind.connect(test.target);
    const streaming = client.streamChat({ prompt: "wait after-one" })[Symbol.asyncIterator]();
    await streaming.next();
    const arrival = test.runner.nextCall();
    const unary = failureOf(client.chat({ prompt: "wait" }));
    await arrival;
    const ending = failureOf(streaming.next());
    await test.servers.stop({ drainTimeoutMs: 0 });
    expect(await ending).toMatchObject({ code: Code.Aborted, reason: "DRAINED" });
    expect(await unary).toMatchObject({ code: Code.Aborted, reason: "DRAINED" });
    client.close();
  });

  it("does not wait for health watches, and tells them to look elsewhere", async () => {
    const test = await start();
    const client = grpcJsClient(`ipv4:127.0.0.1:${test.target.grpcPort}`, undefined);
    const watch = client.watchHealth("")[Symbol.asyncIterator]();
    await watch.next();
    expect(test.servers.openCallCount()).toBe(0);
    const ending = failureOf(watch.next());
    await test.servers.stop({ drainTimeoutMs: 60_000 });
    expect(await ending).toMatchObject({ code: Code.Unavailable, reason: "POOL_DRAINING" });
    client.close();
  });

  it.each(kinds)("does not wait for watches of the pool, and tells them to look elsewhere: $name", async (kind) => {
    const test = await start();
    const client = kind.connect(test.target);
    const watch = client.watchPool()[Symbol.asyncIterator]();
    await watch.next();
    const ending = failureOf(watch.next());
    await test.servers.stop({ drainTimeoutMs: 60_000 });
    expect(await ending).toMatchObject({ code: Code.Unavailable, reason: "POOL_DRAINING" });
    expect(test.pool.listenerCount).toBe(0);
    client.close();
  });

  it("may be asked for twice, and hurried", async () => {
    const test = await start();
    const client = grpcJsClient(`ipv4:127.0.0.1:${test.target.grpcPort}`, testToken);
    const stream = client.streamChat({ prompt: "wait after-one" })[Symbol.asyncIterator]();
    await stream.next();
    const ending = failureOf(stream.next());
    const first = test.servers.stop({ drainTimeoutMs: 60_000 });
    const second = test.servers.stop({ drainTimeoutMs: 0 });
    await Promise.all([first, second, test.servers.stop({ drainTimeoutMs: 60_000 })]);
    expect(await ending).toMatchObject({ code: Code.Aborted });
    client.close();
  });

  it("after a takeover waits for a connection of HTTP/1.1 whose answer took longer than all others may: it may be used again", async () => {
    const clock = new FakeClock();
    const test = await start({ clock });
    const kind = transportKinds.find(({ name }) => name === "Connect by connect-node, web port, HTTP/1.1");
    const client = kind!.connect(test.target);
    const stream = client.streamChat({ prompt: "hold first" })[Symbol.asyncIterator]();
    await stream.next();
    const steps: string[] = [];
    const retired = test.servers
      .retire({ drainTimeoutMs: 90_000, nothingMoreComes: () => steps.push("nothing more comes") })
      .then(() => steps.push("retired"));
    await clock.advance(80_000);
    await clock.advance(90_000);
    expect(steps).toEqual(["nothing more comes"]);
    test.runner.release("first");
    expect((await stream.next()).value?.event.value).toMatchObject({ text: "2" });
    expect((await stream.next()).done).toBe(true);
    // There is no other connection: the port takes none. The call on this one may take as long as any.
    const arrived = test.runner.nextCall();
    const last = client.chat({ prompt: "hold again" });
    await arrived;
    await clock.advance(80_000);
    expect(steps).toEqual(["nothing more comes"]);
    test.runner.release("again");
    expect((await last).text).toBe("12");
    await retired;
    client.close();
  });

  it("cuts off what still does not end", async () => {
    const test = await start();
    const session = (await import("node:http2")).connect(test.webUrl);
    session.on("error", () => {});
    // A request that never ends, with a token: it is being read, and no call yet.
    const stream = session.request({
      ":method": "POST",
      ":path": "/claude.runner.v1.ClaudeRunner/StreamChat",
      "content-type": "application/grpc",
      authorization: `Bearer ${testToken}`,
    });
    stream.on("error", () => {});
    const closed = new Promise((resolve) => session.on("close", resolve));
    await new Promise((resolve) => session.once("remoteSettings", resolve));
    await test.servers.stop({ drainTimeoutMs: 0 });
    await closed;
    await until(() => stream.destroyed);
  });
});

function subjectOf(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host: "127.0.0.1", port, ALPNProtocols: ["h2"], rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
