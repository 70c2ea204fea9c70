import { existsSync } from "node:fs";
import { chmod, lstat, mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/clock.ts";
import type { ListeningPort, PortName } from "../../../src/server/connections/listener.ts";
import { type Claim, claimTakeover } from "../../../src/server/takeover/takeover-claim.ts";
import { openTakeoverSocket, type TakeoverSocket } from "../../../src/server/takeover/takeover-socket.ts";
import { FakeClock } from "../../fake-clock.ts";
import { until } from "../../until.ts";

let folder: string;
let file: string;
const opened: (() => unknown)[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "takeover-"));
  file = join(folder, "state", "takeover.sock");
});
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
  await rm(folder, { recursive: true, force: true });
});

/** Answers every connection with one word. */
async function listening(word: string, listenOn: object = { host: "127.0.0.1", port: 0 }): Promise<Server> {
  const server = createServer((socket) => socket.end(word));
  await new Promise<void>((resolve) => server.listen(listenOn, resolve));
  opened.push(() => server.close());
  return server;
}

const portOf = (server: Server) => (server.address() as AddressInfo).port;

/** The word that the next connection gets. */
const wordAt = (port: number): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = "";
    connect(port, "127.0.0.1")
      .on("data", (chunk) => {
        text += chunk.toString();
      })
      .on("error", reject)
      .on("close", () => resolve(text));
  });

async function offer(
  change: { readonly replaces?: boolean; readonly servers?: Partial<Record<PortName, Server>> } = {},
) {
  const servers = change.servers ?? { grpc: await listening("old") };
  const warned: string[] = [];
  let retiredCount = 0;
  const socket = await openTakeoverSocket({
    file,
    version: "1.2.3",
    generation: 4,
    replaces: change.replaces ?? false,
    ports: () =>
      new Map(
        Object.entries(servers)
          .filter(([, { listening }]) => listening)
          .map(([name, server]): [PortName, ListeningPort] => [
            name as PortName,
            { server, address: { host: "localhost", port: portOf(server) } },
          ]),
      ),
    retire: () => {
      retiredCount += 1;
      for (const server of Object.values(servers)) server.close();
    },
    log: { info() {}, error() {}, warn: (_: object, message: string) => void warned.push(message) },
  });
  if (socket !== undefined) opened.push(() => socket.close());
  return { socket: socket as TakeoverSocket, servers, warned, retiredCount: () => retiredCount };
}

async function claim(clock = systemClock): Promise<Claim> {
  const claimed = await claimTakeover({ file, version: "1.2.4", clock });
  if (claimed === undefined) throw new Error("nobody listens");
  opened.push(() => claimed.leave());
  return claimed;
}

describe("a takeover", () => {
  it("hands over the sockets themselves: both servers accept on them until the new one is ready, and then it alone", async () => {
    const old = await offer({ servers: { grpc: await listening("old"), web: await listening("old") } });
    const ports = Object.values(old.servers).map(portOf);
    const claimed = await claim();
    expect(claimed.from).toEqual({ pid: process.pid, version: "1.2.3", generation: 4 });
    expect(claimed.ports).toEqual(
      ["grpc", "web"].map((name, at) => ({ name, host: "localhost", address: "127.0.0.1", port: ports[at] })),
    );
    for (const name of ["grpc", "web"] as const) {
      const { source, address } = await claimed.take(name);
      const server = await listening("new", source);
      expect(portOf(server)).toBe(address.port);
    }
    expect(old.retiredCount()).toBe(0);
    for (const port of ports) expect(["old", "new"]).toContain(await wordAt(port));

    await claimed.ready();
    expect(old.retiredCount()).toBe(1);
    for (const port of ports) expect(await wordAt(port)).toBe("new");
  });

  it("that is given up changes nothing, and another one may begin", async () => {
    const old = await offer();
    const first = await claim();
    (await first.take("grpc")).close();
    first.leave();
    await until(() => old.warned.length > 0);
    expect(old.warned).toEqual(["the other server did not take over: this one goes on as before"]);
    expect(await wordAt(portOf(old.servers.grpc!))).toBe("old");
    expect((await claim()).ports).toHaveLength(1);
    expect(old.retiredCount()).toBe(0);
  });

  it("is one server's at a time, and the words say whose", async () => {
    const old = await offer();
    const first = await claim();
    await expect(claim()).rejects.toThrow(`process ${process.pid} is about to take over`);
    await first.ready();
    await expect(claim()).rejects.toThrow(`process ${process.pid} has just taken over`);
    expect(old.retiredCount()).toBe(1);
  });

  it("is refused by a server that is stopping", async () => {
    await offer({ servers: {} });
    await expect(claim()).rejects.toThrow("is stopping and has closed its ports: start again without --takeover");
  });

  it("finds nobody where there is no socket, or one that a killed server left", async () => {
    expect(await claimTakeover({ file, version: "1", clock: systemClock })).toBeUndefined();
    const { socket } = await offer();
    const left = await lstat(file);
    await socket.close();
    expect(left.isSocket()).toBe(true);
    expect(await claimTakeover({ file, version: "1", clock: systemClock })).toBeUndefined();
  });

  it("from a server that does not answer fails with what to do", async () => {
    const silent = createServer((socket) => opened.push(() => socket.destroy()));
    const path = join(folder, "silent.sock");
    await new Promise<void>((resolve) => silent.listen(path, resolve));
    opened.push(() => silent.close());
    const clock = new FakeClock();
    const claiming = claimTakeover({ file: path, version: "1", clock });
    const failed = expect(claiming).rejects.toThrow(/does not answer within 5 s: stop it/);
    await until(() => clock.pendingTimerCount > 0);
    await clock.advance(5_000);
    await failed;
  });

  it("from what is no server fails with words", async () => {
    const path = join(folder, "file");
    await writeFile(path, "");
    await expect(claimTakeover({ file: path, version: "1", clock: systemClock })).rejects.toThrow("is no socket");
  });

  it("goes on when the old server ends before it is ready", async () => {
    const old = await offer();
    const claimed = await claim();
    const server = await listening("new", (await claimed.take("grpc")).source);
    await old.socket.close();
    old.servers.grpc!.close();
    await claimed.ready();
    expect(await wordAt(portOf(server))).toBe("new");
  });
});

describe("the socket of a server", () => {
  it("is its user's alone, and goes with it", async () => {
    const { socket } = await offer();
    expect((await lstat(file)).mode & 0o777).toBe(0o600);
    expect((await lstat(join(folder, "state"))).mode & 0o777).toBe(0o700);
    await socket.close();
    expect(existsSync(file)).toBe(false);
  });

  it("stays another server's that is there, and is warned of", async () => {
    await offer();
    const { ino } = await lstat(file);
    const { socket, warned } = await offer();
    expect(socket).toBeUndefined();
    expect(warned).toEqual([expect.stringMatching(/cannot be taken over: another server that runs has this/)]);
    expect((await lstat(file)).ino).toBe(ino);
  });

  it("replaces the one of the server that was taken over, which leaves it alone when it ends", async () => {
    const old = await offer();
    await offer({ replaces: true });
    await old.socket.close();
    expect(existsSync(file)).toBe(true);
    expect((await claim()).from.version).toBe("1.2.3");
  });

  it("is not made where others may write, nor at a path that is too long", async () => {
    await chmod(folder, 0o777);
    file = join(folder, "takeover.sock");
    expect((await offer()).warned).toEqual([expect.stringMatching(/other users may write to .*chmod 700/)]);
    file = join(folder, "x".repeat(100));
    expect((await offer()).warned).toEqual([expect.stringMatching(/path may have 90 bytes/)]);
  });
});
