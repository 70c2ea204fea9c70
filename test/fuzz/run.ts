/**
 * Fires single requests at both ports of a real server, out of a seed, and watches what its event loop spends on each.
 *
 *     npm run fuzz -- --minutes 10 --seed 1
 *
 * The verdict is on CPU time of the server's own thread, not on the clock: no request may stall it for longer than 100 ms.
 * A request that did is fired again; the least of three counts, so that a collection of garbage or a cold function is no
 * finding. Exit code 0: nothing found. Not a part of any test run.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:http2";
import { parseArgs } from "node:util";
import { startStandin } from "../../src/standin/standin-server.ts";
import { tenants } from "../e2e/scene.ts";
import { type FuzzCase, nextCase, seeded } from "./cases.ts";
import type { Listening, Stall } from "./server-process.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    seed: { type: "string", default: "1" },
    only: { type: "string" },
  },
});
const seed = Number(values.seed);
const only = values.only === undefined ? undefined : Number(values.only);
const maxStallMs = 100;
/** A request may take this long; the server is asked for its stall then, and the request given up. */
const callTimeoutMs = 60_000;

await using standin = await startStandin();
const server = fork(new URL("server-process.ts", import.meta.url), [standin.url], {
  stdio: ["ignore", "inherit", "inherit", "ipc"],
});
const exited = once(server, "exit").then(() => {
  throw new Error("the server has ended");
});
exited.catch(() => {});
const listening = (await Promise.race([once(server, "message"), exited]))[0] as Listening;

/** Sends one request and waits for its end, whatever that is. */
async function fire({ port, path, headers, body, pieceBytes }: FuzzCase): Promise<string> {
  const session = connect(`http://127.0.0.1:${port === "web" ? listening.webPort : listening.grpcPort}`);
  session.on("error", () => {}); // an answer in its own way
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    authorization: `Bearer ${tenants.acme}`,
    ...headers,
  });
  let status = "no answer";
  stream.on("response", (said) => {
    status = `${said[":status"]} ${said["grpc-status"] ?? ""}`;
  });
  stream.on("trailers", (said) => {
    status += ` ${said["grpc-status"] ?? ""}`;
  });
  stream.on("error", () => {});
  stream.resume();
  const over = new Promise((resolve) => stream.on("close", resolve));
  const timer = setTimeout(() => session.destroy(), callTimeoutMs);
  // A watch has no end of its own.
  if (path.includes("Watch")) stream.once("data", () => stream.close());
  for (let at = 0; at < body.length && !stream.destroyed && !stream.writableEnded; at += pieceBytes) {
    const isTaken = stream.write(body.subarray(at, at + pieceBytes));
    if (!isTaken) await Promise.race([once(stream, "drain").catch(() => {}), over]);
  }
  if (!stream.destroyed) stream.end();
  await over;
  clearTimeout(timer);
  session.destroy();
  return status;
}

async function stallOf(one: FuzzCase): Promise<Stall & { readonly status: string }> {
  await takeStall(); // what was before
  const status = await Promise.race([fire(one), exited]);
  return { ...(await takeStall()), status };
}

async function takeStall(): Promise<Stall> {
  const answered = once(server, "message");
  server.send("take");
  return (await Promise.race([answered, exited]))[0] as Stall;
}

interface Seen {
  readonly at: number;
  readonly name: string;
  readonly cpuMs: number;
  readonly status: string;
}

const worst: Seen[] = [];
let count = 0;
let peakMib = 0;
const endsAtMs = performance.now() + Number(values.minutes) * 60_000;
const random = seeded(seed);
while (performance.now() < endsAtMs && (only === undefined || count <= only)) {
  const one = nextCase(random);
  const at = count++;
  if (only !== undefined && at !== only) continue;
  let { cpuMs, rssMib, status } = await stallOf(one);
  for (let again = 0; again < 2 && cpuMs > maxStallMs; again++) cpuMs = Math.min(cpuMs, (await stallOf(one)).cpuMs);
  peakMib = Math.max(peakMib, rssMib);
  worst.push({ at, name: one.name, cpuMs, status });
  worst.sort((left, right) => right.cpuMs - left.cpuMs).splice(10);
  if (cpuMs > maxStallMs) console.log(`stall of ${cpuMs.toFixed(0)} ms: request ${at}, ${one.name}`);
}
server.disconnect();

console.log(
  `\n${count} requests out of seed ${seed}; at most ${peakMib.toFixed(0)} MiB of memory. The longest stalls, in ms of CPU:`,
);
for (const { at, name, cpuMs, status } of worst)
  console.log(`${cpuMs.toFixed(0).padStart(5)}  request ${at}: ${name} → ${status}`);
const isGood = (worst[0]?.cpuMs ?? 0) <= maxStallMs;
console.log(
  isGood
    ? `\nVERDICT: no request stalls the server for more than ${maxStallMs} ms.`
    : `\nVERDICT: FAILED. Look at one again: npm run fuzz -- --seed ${seed} --only <request>`,
);
process.exitCode = isGood ? 0 : 1;
