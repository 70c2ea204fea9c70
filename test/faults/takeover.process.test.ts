/**
 * A server that takes the ports over from the running one: no call fails, and whatever goes wrong before it is ready
 * leaves the running one as it was.
 */
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readlink, realpath, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { grpcJsClient, transportKinds } from "../contract/transports.ts";
import { readTurn } from "../contract/turn.ts";
import { tenants } from "../e2e/scene.ts";
import { until } from "../until.ts";
import { slowAnswer } from "./fake-scene.ts";
import { callAllTheTime } from "./takeover-load.ts";
import { serverOf, type TakeoverServer, TakeoverServers } from "./takeover-servers.ts";

describe("a takeover", () => {
  let folder: string;
  let servers: TakeoverServers;
  beforeEach(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), "runner-takeover-")));
    servers = await TakeoverServers.open(folder);
  });
  afterEach(async () => {
    await servers[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  const clientOf = ({ grpcPort }: TakeoverServer) => grpcJsClient(`ipv4:127.0.0.1:${grpcPort}`, tenants.acme);
  const ask = async (server: TakeoverServer) => {
    const client = clientOf(server);
    try {
      return (await readTurn(client.streamChat({ prompt: "Are you well?" }))).text;
    } finally {
      client.close();
    }
  };

  it("fails no call, while turns run that are longer than a drain", async () => {
    const shutdown = { drainTimeoutMs: 100 };
    let server = await servers.serve([], { shutdown });
    const over = new AbortController();
    const answer = (deltas: number) => `[[fake answer {"flood":{"deltas":${deltas},"chars":10},"perSecond":50}]]`;
    const load = callAllTheTime({
      target: { grpcPort: server.grpcPort, webPort: server.webPort, token: tenants.acme },
      callersPerKind: 2,
      prompt: ({ number }) => answer(number % 3 === 0 ? 100 : 5),
      pauseMs: () => 30,
      over: over.signal,
    });
    for (let takeover = 1; takeover <= 2; takeover += 1) {
      const next = await servers.serve(["--takeover"], { shutdown });
      expect([next.grpcPort, next.webPort, next.adminPort]).toEqual([
        server.grpcPort,
        server.webPort,
        server.adminPort,
      ]);
      expect(await next.said("took over from the running server")).toMatchObject({
        fromPid: server.process.pid,
        generation: takeover + 1,
      });
      // The store is for two servers at a time.
      expect(await server.exited).toBe(0);
      server = next;
    }
    over.abort();
    const { served, failures } = await load;
    expect(failures).toEqual([]);
    expect(served.size).toBe(2 * transportKinds.filter(({ tls }) => !tls).length);
    for (const [kind, count] of served) expect(count, kind).toBeGreaterThan(3);
  }, 120_000);

  it("lets a turn of the old server run to its end, and a signal end it earlier", async () => {
    const first = await servers.serve([], { shutdown: { drainTimeoutMs: 100 } });
    const client = clientOf(first);
    const begun = Promise.withResolvers<void>();
    const turn = readTurn(client.streamChat({ prompt: slowAnswer }), () => begun.resolve());
    await begun.promise;
    const second = await servers.serve(["--takeover"]);
    await first.said("every client has been asked to connect anew");
    expect(await ask(second)).toBe("You said: Are you well?");
    expect(first.process.exitCode).toBeNull();
    first.process.kill("SIGTERM");
    expect((await turn).failure?.reason).toBe("DRAINED");
    expect(await first.exited).toBe(0);
    client.close();
  });

  it("that cannot serve ends with the reason, and the running server goes on as if nothing had been", async () => {
    const running = await servers.serve();
    const late = await servers.launch(["--takeover"], {
      credentials: { default: { baseUrl: "http://127.0.0.1:9", apiKeyEnv: "NO_SUCH_KEY" } },
      takeover: { readyTimeoutMs: 1_500 },
    });
    expect(await late.exited).toBe(1);
    expect(late.words.join(" ")).toMatch(/no turn could be served within 1\.5 s.*the running server goes on/);
    await running.said("the other server did not take over: this one goes on as before");
    expect(await ask(running)).toBe("You said: Are you well?");
  });

  it("without a server to take over from opens the ports, also behind one that was killed", async () => {
    const first = await servers.serve(["--takeover"]);
    await first.said("no server listens there that could be taken over: this one opens its ports itself");
    await until(() => existsSync(servers.socketFile));
    first.process.kill("SIGKILL");
    await first.exited;
    expect(await ask(await servers.serve(["--takeover"]))).toBe("You said: Are you well?");
  });
});

describe.skipIf(!existsSync("/usr/bin/systemd-socket-activate"))("a server that systemd hands its sockets", () => {
  let folder: string;
  let servers: TakeoverServers;
  beforeEach(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), "runner-activation-")));
    servers = await TakeoverServers.open(folder);
  });
  afterEach(async () => {
    await servers[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  it("serves on them, keeps them from its workers, and can be taken over", async () => {
    const [grpcPort, webPort] = [await freePort(), await freePort()];
    const activate = ["/usr/bin/systemd-socket-activate", "--fdname=grpc:web", "-E", "STANDIN_KEY"];
    const launched = await servers.launch([], {}, [
      ...activate,
      ...[grpcPort, webPort].flatMap((port) => ["-l", `127.0.0.1:${port}`]),
    ]);
    await until(() => launched.words.some((line) => line.startsWith("Listening on")));
    const client = grpcJsClient(`ipv4:127.0.0.1:${grpcPort}`, tenants.acme);
    const turn = await readTurn(client.streamChat({ prompt: "Are you well?" }));
    expect(turn.text).toBe("You said: Are you well?");
    const server = await serverOf(launched);
    expect([server.grpcPort, server.webPort]).toEqual([grpcPort, webPort]);
    const worker = (await servers.fake.record()).findLast(({ started }) => started !== undefined);
    const held = await socketsOf(worker!.pid);
    for (const inode of await socketsOf(server.process.pid!)) expect(held).not.toContain(inode);

    await servers.serve(["--takeover"]);
    const again = await readTurn(client.streamChat({ prompt: "And now?" }));
    expect(again.text).toBe("You said: And now?");
    client.close();
    expect(await server.exited).toBe(0);
  });
});

/** The sockets that a process holds, by inode. */
async function socketsOf(pid: number): Promise<readonly string[]> {
  const links = (await readdir(`/proc/${pid}/fd`)).map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => ""));
  return (await Promise.all(links)).filter((link) => link.startsWith("socket:"));
}

/** A port that was free a moment ago, for a program that has to be told one. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
