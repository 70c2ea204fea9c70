/**
 * The server that is fuzzed, in a process of its own: the whole composition root with the fake CLI in the real one's
 * place, and a watch on what the event loop spends in one go.
 *
 * Speaks with its parent by IPC: says where it listens, answers `take` with the longest stall since the last one.
 */
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startRunner } from "../../src/main.ts";
import { LogBook } from "../e2e/log-book.ts";
import { testSettings } from "../e2e/scene.ts";
import { makeFakeCli } from "../fakes/fake-cli.ts";

export interface Listening {
  readonly grpcPort: number;
  readonly webPort: number;
}

export interface Stall {
  /** The most CPU time that the server's own thread spent between two turns of its loop, in milliseconds. */
  readonly cpuMs: number;
  readonly rssMib: number;
}

/** The stand-in runs elsewhere: what it spends is nobody's stall. */
const [standinUrl = ""] = process.argv.slice(2);
/** How often the loop is looked at; it adds at most this to a stall. */
const tickMs = 2;

await using opened = new AsyncDisposableStack();
const workFolder = await realpath(await mkdtemp(join(tmpdir(), "runner-fuzz-")));
opened.defer(() => rm(workFolder, { recursive: true, force: true }));
const fake = opened.use(await makeFakeCli());
const runner = await startRunner({
  settings: testSettings(standinUrl, workFolder, { cli: { path: fake.path } }),
  env: { PATH: process.env.PATH, HOME: workFolder, STANDIN_KEY: "sk-key-of-the-fuzzer-0123456789" },
  log: new LogBook("error").log,
});
opened.defer(() => runner.stop({ drainTimeoutMs: 0 }));

let worstUs = 0;
const spentUs = () => {
  const { user, system } = process.threadCpuUsage();
  return user + system;
};
let before = spentUs();
const ticks = setInterval(() => {
  const now = spentUs();
  worstUs = Math.max(worstUs, now - before);
  before = now;
}, tickMs);
opened.defer(() => clearInterval(ticks));

const ended = Promise.withResolvers<void>();
process.once("disconnect", () => ended.resolve());
process.on("message", () => {
  // Behind what is due now, so that the stall that is going on counts.
  setTimeout(() => {
    process.send?.({ cpuMs: worstUs / 1000, rssMib: process.memoryUsage.rss() / 1024 / 1024 } satisfies Stall);
    worstUs = 0;
  }, 2 * tickMs);
});
process.send?.({ grpcPort: runner.grpcAddress.port, webPort: runner.webAddress?.port ?? 0 } satisfies Listening);
await ended.promise;
