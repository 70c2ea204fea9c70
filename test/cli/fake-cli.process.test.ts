/** The driver on a CLI that misbehaves: what the real one cannot be made to do. */
import { readdir } from "node:fs/promises";
import { afterEach, describe, expect, it } from "vitest";
import type { LocatedCli } from "../../src/cli/program/locate.ts";
import type { JsonObject } from "../../src/cli/protocol/json-members.ts";
import type { WorkerQuestion } from "../../src/cli/worker-options.ts";
import type { Command, OpenResource, WorkerResource } from "../../src/worker-resource.ts";
import { type FakeCli, makeFakeCli } from "../fakes/fake-cli.ts";
import type { Act, FakeScript } from "../fakes/script.ts";
import { answered, said } from "../said.ts";
import { play, type Rig, type RigOptions, rig, textOf, turnOf } from "./real-cli.ts";

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const made of open.splice(0).reverse()) await made[Symbol.asyncDispose]();
});

const quickly = { startTimeoutMs: 20_000, controlTimeoutMs: 2_000, interruptTimeoutMs: 1_000, stopTimeoutMs: 500 };

async function fakeRig(script: FakeScript = {}, options: RigOptions = {}): Promise<Rig & { readonly fake: FakeCli }> {
  const fake = await makeFakeCli(script);
  open.push(fake);
  const cli: LocatedCli = { kind: "found", path: fake.path, version: "2.1.332", source: "settings", fingerprint: "" };
  const made = await rig({ ...options, cli, pool: { ...quickly, ...options.pool } });
  open.push(made);
  return { ...made, fake };
}

/** A turn with some acts, on a worker of its own. */
async function playWith(acts: readonly Act[], options: RigOptions = {}, more = {}) {
  const made = await fakeRig({ acts, answer: { text: "0123456789".repeat(6) } }, options);
  const worker = await made.bound();
  return { made, worker, ...(await play(worker, turnOf("x", more))) };
}

describe("a process that breaks", () => {
  it.each<[string, Act]>([
    ["ends without a result", { do: "exit", code: 0 }],
    ["leaves half a line", { do: "halfLine" }],
    ["is killed", { do: "kill", signal: "SIGKILL" }],
    ["ends at a signal from outside", { do: "kill", signal: "SIGTERM" }],
  ])("has failed its turn when it %s", async (_, act) => {
    const { end, worker } = await playWith([act]);
    expect(end).toMatchObject({ outcome: "workerDied", workerReusable: false });
    await worker.exited;
    expect(await worker.reset()).toEqual({ clean: false, why: "worker_died" });
  });

  it("may write three lines of garbage, and is then not used again", async () => {
    const { end, events, worker } = await playWith([{ do: "garbage", lines: 3 }]);
    expect(end).toMatchObject({ outcome: "completed", workerReusable: false });
    expect(events.map(({ kind }) => kind)).not.toContain("unknown");
    expect(await worker.reset()).toEqual({ clean: false, why: "garbage" });
  });

  it("is killed at the fourth line of garbage", async () => {
    const { end, worker } = await playWith([{ do: "garbage", lines: 4 }]);
    expect(end.outcome).toBe("workerDied");
    expect((await worker.exited).detail).toMatch(/not JSON/);
  });

  it.each([true, false])("is killed when a line grows beyond the bound (ends: %s)", async (ends) => {
    const { end, worker } = await playWith([{ do: "longLine", bytes: 300_000, ends }], { maxLineBytes: 100_000 });
    expect(end.outcome).toBe("workerDied");
    expect((await worker.exited).detail).toMatch(/a line is too long/);
  });

  it("is found by its silence", async () => {
    const acts: readonly Act[] = [{ do: "stopReading", at: "midText" }, { do: "hang" }];
    const { end } = await playWith(acts, { pool: { silenceTimeoutMs: 1_000, controlTimeoutMs: 500 } });
    expect(end.outcome).toBe("workerDied");
  });

  it("is killed when it does not heed an interrupt", async () => {
    const made = await fakeRig({
      acts: [{ do: "ignoreInterrupts" }],
      answer: { text: "slowly ".repeat(500), perSecond: 20 },
    });
    const worker = await made.bound();
    const { end } = await play(worker, turnOf("x"), (event, running) => {
      if (event.kind === "textDelta") running.interrupt("cancelled");
    });
    expect(end).toMatchObject({ outcome: "cancelled", workerReusable: false });
    expect((await worker.exited).signal).toBe("SIGKILL");
  });

  it("gives the prompt back when it does not take it", async () => {
    const made = await fakeRig({ turns: [[{ do: "stopReading" }]] });
    const worker = await made.bound();
    await play(worker, turnOf("x"));
    const running = worker.run(turnOf("y".repeat(1_000_000)));
    await expect(running.written).rejects.toMatchObject({ reason: "WORKER_DIED" });
    expect((await running.ended).outcome).toBe("workerDied");
  });

  it("is not ready when it does not start in time, and is ended", async () => {
    const made = await fakeRig({ acts: [{ do: "hang", at: "start" }] }, { pool: { startTimeoutMs: 300 } });
    await expect(made.worker()).rejects.toMatchObject({ reason: "WORKER_START_FAILED" });
  });

  it("is not ready when it exits, without a word of its stderr to the caller", async () => {
    const made = await fakeRig({ acts: [{ do: "exit", code: 1, stderr: "host secret", at: "start" }] });
    const error = await made.worker().catch((failure: unknown) => failure);
    expect(error).toMatchObject({ reason: "WORKER_START_FAILED" });
    expect(JSON.stringify(error)).not.toContain("secret");
  });

  it("is said not to start when its program is not there", async () => {
    const cli: LocatedCli = { kind: "found", path: "/none/claude", version: "1", source: "settings", fingerprint: "" };
    const made = await rig({ cli });
    open.push(made);
    await expect(made.worker()).rejects.toMatchObject({ reason: "WORKER_START_FAILED", facts: { code: "ENOENT" } });
  });
});

describe("a process that is odd", () => {
  it("is understood in single bytes and with CR LF", async () => {
    const { end, events } = await playWith([{ do: "chunk", bytes: 3 }, { do: "crlf" }]);
    expect(end).toMatchObject({ outcome: "completed", workerReusable: true });
    expect(textOf(events)).toBe("0123456789".repeat(6));
  });

  it("may say what nobody knows", async () => {
    const { end, events } = await playWith([{ do: "unknown" }]);
    expect(end).toMatchObject({ outcome: "completed", workerReusable: true });
    expect(events.some(({ kind }) => kind === "unknown")).toBe(true);
  });

  it("is not stopped by what it says on stderr, of which the end is kept without secrets", async () => {
    const { end, worker } = await playWith([{ do: "stderr", bytes: 2_000_000 }]);
    expect(end.outcome).toBe("completed");
    await worker.stop();
    expect((await worker.exited).detail.length).toBeLessThan(1_000);
  });

  it.each<[string, Act, string]>([
    ["has compacted the conversation", { do: "compact" }, "compacted"],
    ["has something running in the background", { do: "background", tasks: 1 }, "background_tasks"],
  ])("is not reset when it %s", async (_, act, why) => {
    const { end, worker } = await playWith([act]);
    expect(end).toMatchObject({ outcome: "completed", workerReusable: false });
    expect(await worker.reset()).toEqual({ clean: false, why });
  });

  it("is not reset after a second result", async () => {
    const { worker } = await playWith([{ do: "secondResult" }]);
    const outcome = await worker.reset();
    expect(outcome.clean).toBe(false);
  });

  it("is not reset when the rewind did not reach the beginning", async () => {
    const reply = { rewound: false, reason: "stale_target" };
    const made = await fakeRig({ controls: { rewind_conversation: { reply } } });
    const worker = await made.bound();
    await play(worker, turnOf("x"));
    expect(await worker.reset()).toEqual({ clean: false, why: "rewind_stale_target" });
    expect(await worker.reset()).toEqual({ clean: false, why: "rewind_stale_target" });
  });

  it("is only reset as its CLI was proven to do it", async () => {
    const made = await fakeRig({}, { capabilities: undefined });
    const worker = await made.bound();
    await play(worker, turnOf("x"));
    expect(await worker.reset()).toEqual({ clean: false, why: "reset_not_proven" });
  });

  it("says when it does not take a model", async () => {
    const made = await fakeRig({
      controls: { get_settings: { reply: { applied: { model: "other", effort: "low" } } } },
    });
    const worker = await made.bound();
    await expect(worker.configure({ model: "wanted", effort: "low" })).rejects.toMatchObject({
      reason: "NOT_SUPPORTED_BY_CLI",
    });
  });

  it("that does not end by itself is ended, with what it started", async () => {
    const acts: Act[] = [{ do: "ignoreTerm" }, { do: "ignoreEof" }, { do: "grandchild", ignoreTerm: true }];
    const { worker, made } = await playWith(acts);
    const grandchild = (await made.fake.record()).find((entry) => entry.grandchild !== undefined)!.grandchild!;
    await worker.stop();
    expect((await worker.exited).signal).toBe("SIGKILL");
    expect(() => process.kill(worker.pid!, 0)).toThrow();
    while (isRunning(grandchild)) await new Promise(setImmediate);
  });
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false; // Gone.
  }
}

describe("a process that asks", () => {
  /** Somebody who is asked, and answers when the test says so. */
  function answerer() {
    const asked = Promise.withResolvers<{ question: WorkerQuestion; signal: AbortSignal }>();
    const answer = Promise.withResolvers<JsonObject>();
    const onRequest = (question: WorkerQuestion, signal: AbortSignal) => {
      asked.resolve({ question, signal });
      return answer.promise;
    };
    return { onRequest, asked: asked.promise, answer: answer.resolve };
  }
  /** What the process was answered. */
  const answersTo = async (fake: FakeCli) =>
    (await fake.record()).flatMap(({ in: line }) => (line?.type === "control_response" ? [line.response] : []));

  it("is refused at once where nobody answers, and its turn goes on", async () => {
    const { made, end } = await playWith([{ do: "ask" }]);
    expect(end).toMatchObject({ outcome: "completed", workerReusable: true });
    expect(await answersTo(made.fake)).toMatchObject([{ subtype: "success", response: { behavior: "deny" } }]);
  });

  it("is answered as whoever is asked says, who hears which worker and which turn asks", async () => {
    const { onRequest, asked, answer } = answerer();
    const made = await fakeRig({ acts: [{ do: "ask" }] }, { onRequest });
    const worker = await made.bound();
    const turn = turnOf("x");
    const played = play(worker, turn);
    const { question } = await asked;
    expect(question).toMatchObject({ workerId: worker.id, turnId: turn.id, subtype: "can_use_tool" });
    answer({ behavior: "allow", updatedInput: { command: "pwd" } });
    const { end } = await played;
    expect(end).toMatchObject({ outcome: "completed", workerReusable: true });
    expect(await answersTo(made.fake)).toEqual([
      {
        subtype: "success",
        request_id: question.requestId,
        response: { behavior: "allow", updatedInput: { command: "pwd" } },
      },
    ]);
    expect(await worker.reset()).toEqual({ clean: true });
  });

  it("withdraws its question when its turn is interrupted, and can be reset", async () => {
    const { onRequest, asked, answer } = answerer();
    const made = await fakeRig({ acts: [{ do: "ask" }] }, { onRequest });
    const worker = await made.bound();
    const running = worker.run(turnOf("x"));
    const { signal } = await asked;
    running.interrupt("cancelled");
    expect(await running.ended).toMatchObject({ outcome: "cancelled", workerReusable: true });
    expect(signal.reason).toMatchObject({ message: expect.stringContaining("withdrawn") });
    answer({ behavior: "allow" });
    expect(await worker.reset()).toEqual({ clean: true });
    expect(await answersTo(made.fake)).toEqual([]);
  });

  it("withdraws what it has no patience for, and goes on", async () => {
    const { onRequest, asked } = answerer();
    const made = await fakeRig({ acts: [{ do: "ask", withdrawAfterMs: 10 }] }, { onRequest });
    const { end } = await play(await made.bound(), turnOf("x"));
    expect(end.outcome).toBe("completed");
    expect((await asked).signal.aborted).toBe(true);
    expect(await answersTo(made.fake)).toEqual([]);
  });

  it("gives its question up with its life", async () => {
    const { onRequest, asked } = answerer();
    const made = await fakeRig({ acts: [{ do: "ask" }] }, { onRequest });
    const worker = await made.bound();
    const running = worker.run(turnOf("x"));
    const { signal } = await asked;
    process.kill(worker.pid!, "SIGKILL");
    expect((await running.ended).outcome).toBe("workerDied");
    await worker.exited;
    expect(signal.aborted).toBe(true);
  });
});

describe("what a worker has for itself", () => {
  /** Resources that note what becomes of them, and whether the folders were there then. */
  function noting(folders: () => Promise<readonly string[]>) {
    const happened: string[] = [];
    const resource = (name: string, more: Partial<OpenResource> = {}): WorkerResource => ({
      name,
      async open({ id, profile }) {
        happened.push(`${name} opened for ${id} of ${profile}`);
        return {
          variables: { [`OF_${name.toUpperCase()}`]: id },
          async close() {
            happened.push(`${name} closed, folders: ${(await folders()).length}`);
          },
          ...more,
        };
      },
    });
    return { happened, resource };
  }

  it("is opened before its process and closed in reverse once that is gone, the folders last", async () => {
    const rigs: Rig[] = [];
    const foldersLeft = async () => (await readdir(rigs[0]!.folders.path)).filter((name) => name.startsWith("w"));
    const { happened, resource } = noting(foldersLeft);
    const wrap = (command: Command) => ({
      ...command,
      path: "/usr/bin/env",
      args: ["WRAPPED=1", command.path, ...command.args],
    });
    const made = await fakeRig({}, { resources: [resource("a"), resource("b", { wrap })] });
    rigs.push(made);
    const worker = await made.worker();
    expect(happened).toEqual([`a opened for ${worker.id} of default`, `b opened for ${worker.id} of default`]);
    const { env } = (await made.fake.record()).find(({ started }) => started !== undefined)!.started!;
    expect(env).toMatchObject({ OF_A: worker.id, OF_B: worker.id, WRAPPED: "1" });
    await worker.stop();
    await worker.exited;
    expect(happened.slice(2)).toEqual(["b closed, folders: 1", "a closed, folders: 1"]);
    expect(await foldersLeft()).toEqual([]);
  });

  it("is closed when its process does not start, and nothing of it is left", async () => {
    const cli: LocatedCli = { kind: "found", path: "/none/claude", version: "1", source: "settings", fingerprint: "" };
    const rigs: Rig[] = [];
    const { happened, resource } = noting(() => readdir(rigs[0]!.folders.path));
    const made = await rig({ cli, resources: [resource("a")] });
    open.push(made);
    rigs.push(made);
    await expect(made.worker()).rejects.toMatchObject({ reason: "WORKER_START_FAILED", facts: { code: "ENOENT" } });
    expect(happened).toEqual([expect.stringContaining("a opened"), expect.stringContaining("a closed")]);
    expect((await readdir(made.folders.path)).filter((name) => name.startsWith("w"))).toEqual([]);
  });
});

describe("what a process is given", () => {
  it("is the profile's launch, and nothing of a request but its lines", async () => {
    const made = await fakeRig({}, { env: { SECRET_OF_THE_SERVER: "s3cret" } });
    const worker = await made.bound();
    await worker.seed([said("NEEDLE"), answered("NEEDLE")]);
    await play(worker, turnOf("NEEDLE", { labels: { a: "NEEDLE" }, tenant: "NEEDLE" }));
    const entries = await made.fake.record();
    const started = entries.find((entry) => entry.started !== undefined)!.started!;
    expect(JSON.stringify(started)).not.toMatch(/NEEDLE|s3cret/);
    const lines = entries.flatMap((entry) => (entry.in === undefined ? [] : [entry.in]));
    for (const line of lines.filter(({ type }) => type === "user"))
      expect(line).toMatchObject({ client_composed: true });
    expect(JSON.stringify(lines)).not.toContain("labels");
  });
});

describe("a flood of text", () => {
  it("is passed on whole to a reader who is slower than it", async () => {
    const made = await fakeRig({ answer: { flood: { deltas: 20_000, chars: 20 } } });
    const worker = await made.bound();
    const running = worker.run(turnOf("x", { detail: "text" }));
    let text = 0;
    for await (const event of running.events) {
      if (event.kind !== "textDelta") continue;
      text += event.text.length;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(text).toBe(400_000);
    expect((await running.ended).outcome).toBe("completed");
  });
});
