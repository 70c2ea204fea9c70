/**
 * A hundred and fifty turns of every kind at once, by two tenants over three protocols, while workers are killed and frozen and
 * callers leave: each accepted turn has exactly one end, nobody reads another's words, and nothing stays behind.
 *
 * The seed is printed; SOAK_SEED runs the same choices again. SOAK_TURNS makes it longer.
 */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import { expect, it } from "vitest";
import { Outcome } from "../../gen/claude/runner/v1/result_pb.ts";
import { Detail, Role } from "../../gen/claude/runner/v1/runner_pb.ts";
import { CallFailed, type ContractClient, transportKinds } from "../contract/transports.ts";
import { readTurn, type SeenTurn } from "../contract/turn.ts";
import type { LogLine } from "./log-book.ts";
import { openScene, type Scene, tenants } from "./scene.ts";

const turnCount = Number(process.env.SOAK_TURNS ?? 150);
const concurrency = 8;
const maxWorkers = 6;
const seed = Number(process.env.SOAK_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** Small and good enough; the same numbers for the same seed. */
function seededRandom(from: number): () => number {
  let state = from >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Request = Parameters<ContractClient["streamChat"]>[0];

/** A turn as it was made and what came of it. */
interface Job {
  readonly number: number;
  readonly kind: string;
  readonly tenant: string;
  readonly request: Request;
  /** What the answer has to be when it comes. */
  readonly answer: string | undefined;
  readonly leavesAfterMs: number | undefined;
  readonly timeoutMs: number | undefined;
  readonly isCollected: boolean;
}

interface Ended {
  readonly job: Job;
  readonly turn: SeenTurn | undefined;
  readonly failure: CallFailed | undefined;
}

const schema = JSON.stringify({ type: "object", properties: { answer: { type: "string" } }, required: ["answer"] });

function makeJob(number: number, random: () => number): Job {
  const below = (limit: number) => Math.floor(random() * limit);
  const pick = <T>(choices: readonly T[]): T => choices[below(choices.length)]!;
  const answer = `the answer to job ${number}, which is nobody else's`;
  const scenario = (name: string, options: object = {}) =>
    `job ${number} [[scenario ${name} ${JSON.stringify(options)}]]`;
  const tenant = pick(Object.keys(tenants));
  const kinds: Record<string, () => { request: Request; answer?: string }> = {
    text: () => ({ request: { prompt: scenario("text", { text: answer }) }, answer }),
    slow: () => ({ request: { prompt: scenario("text", { text: answer, betweenDeltasMs: 20 }) }, answer }),
    long: () => ({ request: { prompt: scenario("long-text", { deltaCount: 2_000 + below(4_000) }) } }),
    history: () => ({
      request: {
        prompt: scenario("text", { text: answer }),
        history: Array.from({ length: 2 * (1 + below(4)) }, (_, at) => ({
          role: at % 2 === 0 ? Role.USER : Role.ASSISTANT,
          text: `message ${at} of job ${number}`,
        })),
      },
      answer,
    }),
    schema: () => ({ request: { prompt: scenario("structured"), outputSchemaJson: schema } }),
    tools: () => ({
      request: {
        profile: tenant === "acme" ? "tools" : "default",
        prompt: scenario("bash", { command: "echo soak", text: answer }),
      },
      ...(tenant === "acme" && { answer }),
    }),
    error: () => ({
      request: { prompt: scenario(pick(["error-503", "error-400", "error-429", "stream-error-then-error"])) },
    }),
    retracted: () => ({
      request: { prompt: scenario("stream-error") },
      answer: "This is the whole text, not streamed.",
    }),
    refusal: () => ({ request: { prompt: scenario("refusal") } }),
    limited: () => ({
      request: { prompt: scenario("long-text", { deltaCount: 5_000 }), limits: { maxOutputBytes: 500n } },
    }),
    invalid: () => ({ request: { prompt: " ", model: "claude-unheard-of" } }),
    silent: () => ({ request: { prompt: scenario("silence"), limits: { maxDuration: { nanos: 200_000_000 } } } }),
  };
  const kind = pick([...Object.keys(kinds), "text", "text", "text", "slow", "history"]);
  const made = kinds[kind]!();
  const leaves = random();
  return {
    number,
    kind,
    tenant,
    request: {
      ...made.request,
      labels: { job: String(number) },
      detail: pick([Detail.TEXT, Detail.STANDARD, Detail.STANDARD, Detail.FULL]),
    },
    answer: made.answer,
    leavesAfterMs: leaves < 0.1 ? below(21) : leaves < 0.2 ? below(300) : undefined,
    timeoutMs: leaves > 0.92 ? 20 + below(400) : undefined,
    isCollected: random() < 0.15,
  };
}

async function runJob(job: Job, client: ContractClient): Promise<Ended> {
  const stop = new AbortController();
  const timer = job.leavesAfterMs === undefined ? undefined : setTimeout(() => stop.abort(), job.leavesAfterMs);
  const options = { signal: stop.signal, ...(job.timeoutMs !== undefined && { timeoutMs: job.timeoutMs }) };
  try {
    if (job.isCollected) {
      const { detail: _, $typeName: __, ...request } = job.request;
      const answer = await client.chat(request, options);
      if (job.answer !== undefined) expect(answer.text).toBe(job.answer);
      return { job, turn: undefined, failure: undefined };
    }
    const turn = await readTurn(client.streamChat(job.request, options));
    return { job, turn, failure: turn.failure };
  } catch (error) {
    if (error instanceof CallFailed) return { job, turn: undefined, failure: error };
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** What this process holds: descriptors, children, and what keeps its event loop alive. */
async function holdings() {
  const resources: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1;
  // Work of a moment, not something held.
  for (const name of ["FSReqPromise", "FSReqCallback", "Immediate", "TickObject"]) delete resources[name];
  const children = await readFile(`/proc/self/task/${process.pid}/children`, "utf8");
  return {
    resources,
    descriptorCount: (await readdir("/proc/self/fd")).length,
    children: children
      .split(" ")
      .filter((pid) => pid !== "")
      .toSorted(),
  };
}

/** Processes that were started for a server, wherever they have gone. */
async function processesOf(workFolder: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
    if (environment.includes(workFolder)) found.push(pid);
  }
  return found;
}

/** How many turns end for one worker that is killed or frozen, on average: by turns and not by time, so that a slow machine bears it as well. */
const turnsPerHarm = 3;

/** Kills and freezes workers as turns end. */
class Harassment {
  readonly #scene: Scene;
  readonly #random: () => number;
  #running: Promise<void> = Promise.resolve();
  killedCount = 0;
  frozenCount = 0;

  constructor(scene: Scene, random: () => number) {
    this.#scene = scene;
    this.#random = random;
  }

  turnEnded(): void {
    if (this.#random() < 1 / turnsPerHarm) this.#running = this.#running.then(() => this.#once());
  }

  /** Resolves when nothing more is done. */
  async over(): Promise<void> {
    await this.#running;
  }

  async #once(): Promise<void> {
    const pids = await this.#scene.workerPids();
    const idle = new Set([...this.#scene.workersIn("bound_idle"), ...this.#scene.workersIn("spare")]);
    // Not those that are just starting: several in a row are a program that does not start, and rightly taken for it.
    const living = new Set([...idle, ...this.#scene.workersIn("claimed"), ...this.#scene.workersIn("resetting")]);
    const victims = [...pids].filter(([id]) => living.has(id));
    if (victims.length === 0) return;
    const [id, pid] = victims[Math.floor(this.#random() * victims.length)]!;
    try {
      if (idle.has(id) && this.frozenCount === 0) {
        process.kill(pid, "SIGSTOP");
        this.frozenCount += 1;
      } else {
        process.kill(pid, "SIGKILL");
        this.killedCount += 1;
      }
    } catch {
      // It had ended by itself just then.
    }
  }
}

it(`every turn of ${turnCount} has one end, and nothing is left (SOAK_SEED=${seed})`, async () => {
  console.log(`SOAK_SEED=${seed} SOAK_TURNS=${turnCount}`);
  const random = seededRandom(seed);
  const before = await holdings();
  const workspace = await mkdtemp(join(tmpdir(), "runner-soak-"));
  const scene = await openScene({
    settings: {
      admin: { enabled: true },
      telemetry: { prometheus: true },
      auth: { maxTurnsInFlightPerTenant: 64 },
      pool: {
        silenceTimeoutMs: 5_000,
        controlTimeoutMs: 5_000,
        checkIdleAfterMs: 200,
        interruptTimeoutMs: 2_000,
        stopTimeoutMs: 500,
      },
      profiles: {
        default: { minSpares: 2, maxWorkers },
        tools: { tools: ["Bash"], workspace: { path: workspace }, isolation: "none", tenant: "acme" },
      },
    },
  });

  const kinds = transportKinds.filter(
    ({ name, tls }) => !tls && /^(gRPC by grpc-js, grpc|gRPC-Web .*HTTP\/2|Connect JSON .*1\.1)/.test(name),
  );
  expect(kinds).toHaveLength(3);
  const clients = new Map(
    Object.entries(tenants).map(([tenant, token]) => [
      tenant,
      kinds.map((kind) => kind.connect({ ...scene.target, token })),
    ]),
  );
  const jobs = Array.from({ length: turnCount }, (_, number) => makeJob(number, random));
  const harassment = new Harassment(scene, random);
  const ended: Ended[] = [];
  let claimedMost = 0;
  const queue = [...jobs];
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
        ended.push(await runJob(job, clients.get(job.tenant)![job.number % kinds.length]!));
        claimedMost = Math.max(claimedMost, scene.workers().claimed);
        harassment.turnEnded();
      }
    }),
  );
  await harassment.over();
  expect(harassment.killedCount + harassment.frozenCount).toBeGreaterThan(turnCount / turnsPerHarm / 4);

  // Nothing is in flight any more: not for the pool, not for the tenants.
  const isQuiet = () => scene.runner.pool.snapshot().profiles.every((of) => of.waitingCount + of.workers.claimed === 0);
  while (!isQuiet()) await scene.book.wait(({ message }) => message === "worker changed state", scene.book.position);
  const metricsUrl = `http://127.0.0.1:${scene.runner.adminAddress?.port}/metrics`;
  const inFlight = /^runner_turns_in_flight\{[^}]*\} (\d+)/m.exec(await (await fetch(metricsUrl)).text())?.[1];
  expect(inFlight).toBe("0");
  expect(claimedMost).toBeLessThanOrEqual(maxWorkers);

  expect(ended).toHaveLength(turnCount);
  for (const one of ended) checkEnd(one, linesOf(scene, one.job), jobs);
  // Not everything failed: the harm was bearable.
  const untouched = ended.filter(({ job }) => job.leavesAfterMs === undefined && job.timeoutMs === undefined);
  const wellEnded = untouched.filter(({ failure }) => failure === undefined);
  const reasons = Object.groupBy(untouched, ({ failure }) => failure?.reason ?? "none");
  const counts = Object.entries(reasons).map(([reason, of]) => `${reason} ${of?.length}`);
  expect(wellEnded.length, counts.join(", ")).toBeGreaterThan(untouched.length / 2);

  // The server is as good as new.
  const last = await readTurn(scene.client.streamChat({ prompt: "[[scenario conversation]]" }));
  expect(JSON.parse(last.text)).toHaveLength(1);

  for (const client of [...clients.values()].flat()) client.close();
  await scene.close();
  expect(await processesOf(scene.workFolder)).toEqual([]);
  await expect(readdir(scene.workFolder)).rejects.toThrow("ENOENT");
  await rm(workspace, { recursive: true });
  await expect.poll(holdings, { timeout: 10_000 }).toEqual(before);
}, 180_000);

function linesOf(scene: Scene, { number }: Job): readonly LogLine[] {
  return scene.book.lines.filter(
    ({ message, labels }) =>
      (message === "turn ended" || message === "turn refused") && (labels as { job?: string })?.job === String(number),
  );
}

/** What both sides say of a turn agrees. */
function checkEnd({ job, turn, failure }: Ended, lines: readonly LogLine[], jobs: readonly Job[]): void {
  const about = `job ${job.number}, ${job.kind}: ${failure ?? "no failure"}`;
  expect(lines.length, about).toBeLessThanOrEqual(1);
  const [line] = lines;
  const callerLeft = failure?.code === Code.Canceled || failure?.code === Code.DeadlineExceeded;
  if (job.kind === "invalid") {
    if (!callerLeft) expect(failure?.reason, about).toBe("INVALID_REQUEST");
    expect(line, about).toBeUndefined();
    return;
  }
  // Who leaves at once may not have come as far as the service.
  if (!callerLeft) expect(line, about).toBeDefined();
  if (job.leavesAfterMs === undefined && job.timeoutMs === undefined) expect(callerLeft, about).toBe(false);
  if (turn === undefined) return;

  if (turn.responses.length > 0) expect(line, about).toMatchObject({ message: "turn ended", turnId: turn.turnId });
  const [result] = turn.all("result");
  if (result !== undefined) expect(line?.outcome, about).toBe(outcomeName(result.outcome));
  if (failure !== undefined && line?.message === "turn ended" && !callerLeft)
    expect(failure.pushbackMs, about).toBe(-1);
  if (result?.outcome === Outcome.COMPLETED && job.answer !== undefined) expect(result.text, about).toBe(job.answer);
  const foreign = turn.text
    .match(/the answer to job (\d+)/g)
    ?.filter((words) => words !== `the answer to job ${job.number}`);
  expect(foreign ?? [], about).toEqual([]);
  expect(jobs[job.number], about).toBe(job);
}

/** As the log spells it: WORKER_DIED is `worker_died`. */
function outcomeName(outcome: Outcome): string {
  const [name = ""] = Object.entries(Outcome).find(([, value]) => value === outcome) ?? [];
  return name.toLowerCase();
}
