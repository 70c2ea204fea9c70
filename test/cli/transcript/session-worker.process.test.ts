/** A worker that serves one session, on the real CLI: resumed, it goes on as if it had never been away. */
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cutTranscript } from "../../../src/cli/transcript/transcript-lines.ts";
import type { ResumedConversation, SessionLaunch } from "../../../src/session-launch.ts";
import type { ScenarioReference } from "../../../src/standin/choose.ts";
import type { WorkerProcess } from "../../../src/worker-process.ts";
import { until } from "../../until.ts";
import { bodyOf, play, type Rig, rig, saying, turnOf } from "../real-cli.ts";

let own: Rig;
beforeEach(async () => {
  own = await rig({ hasTools: true, profile: { allowedModels: ["claude-haiku-4-5"] } });
});
afterEach(() => own[Symbol.asyncDispose]());

const binding = { systemPrompt: "Answer." };
const usual = { model: "claude-opus-5-5", effort: "medium", binding } as const;

function running(...commands: string[]): ScenarioReference {
  const uses = commands.map((command) => ({ type: "tool_use", name: "Bash", input: { command, description: "Runs" } }));
  const blocks = [{ type: "thinking", thinking: "Let me see." }, ...uses];
  return {
    steps: [
      { play: { answer: "message", blocks, stopReason: "tool_use" } },
      { play: { answer: "message", blocks: [{ type: "text", text: "It ran." }] } },
    ],
  } as ScenarioReference;
}

async function ask(worker: WorkerProcess, prompt: string, scenario: ScenarioReference) {
  using _ = own.standin.script(scenario);
  const turn = turnOf(prompt);
  return { turn, ...(await play(worker, turn)) };
}

async function begun(launch: Partial<SessionLaunch> = {}): Promise<WorkerProcess> {
  const worker = await own.session({ ...usual, cliSessionId: randomUUID(), ...launch });
  const { end } = await ask(worker, "first", running("echo one"));
  expect(end.outcome).toBe("completed");
  return worker;
}

const copyOf = (transcript: Uint8Array, origin: ResumedConversation["origin"] = "own"): ResumedConversation => ({
  transcript,
  origin,
  files: [],
});

const messagesOf = (): readonly { role: string; content: unknown }[] => bodyOf(own.standin).messages as never;

describe("a worker that serves one session", () => {
  it("is bound and has the session's model and effort when it is ready", async () => {
    const worker = await own.session({ ...usual, model: "claude-haiku-4-5", cliSessionId: randomUUID() });
    await ask(worker, "first", saying("one"));
    expect(bodyOf(own.standin)).toMatchObject({ model: "claude-haiku-4-5", system: [{}, {}, { text: "Answer." }] });
  });

  it("has all of a turn in its transcript when the turn has ended, under the prompt's own id", async () => {
    const cliSessionId = randomUUID();
    const worker = await own.session({ ...usual, cliSessionId });
    expect((await worker.transcript!.read(0)).length).toBe(0);
    const { turn } = await ask(worker, "first", running("echo one"));
    const first = await worker.transcript!.read(0);
    const text = new TextDecoder().decode(first);
    expect(text).toContain('"content":"one"');
    expect(text).toContain("It ran.");
    expect(cutTranscript(first, turn.id)).toBeGreaterThan(0);
    await ask(worker, "second", saying("two"));
    const more = new TextDecoder().decode(await worker.transcript!.read(first.length));
    expect(more).toContain("second");
    expect(more).not.toContain("It ran.");
  });

  it("resumes with what the session has cost, and charges a turn for itself only", async () => {
    const cliSessionId = randomUUID();
    const worker = await begun({ cliSessionId });
    await worker.transcript!.read(0);
    // A mild end adds the accounts of the session to the transcript.
    await worker.stop();
    const transcript = await worker.transcript!.read(0);
    expect(new TextDecoder().decode(transcript)).toContain('"totalCostUSD"');
    const resumed = await own.session({ ...usual, cliSessionId, resume: copyOf(transcript) });
    using _ = own.standin.script(saying("two", { usage: { inputTokens: 1_000, outputTokens: 10 } }));
    const { end } = await play(resumed, turnOf("second", { limits: { maxCostUsdMicros: 10_000 } }));
    // 1,000 at 4 and 10 at 20 dollars per million.
    expect(end).toMatchObject({ outcome: "completed", costUsdMicros: 4_200, usage: { inputTokens: 1_000 } });
  });

  it("has the outputs of tools at the same paths, whichever worker it is", async () => {
    const cliSessionId = randomUUID();
    const worker = await own.session({ ...usual, cliSessionId });
    await ask(worker, "long", running("head -c 90000 /dev/zero | tr '\\0' x"));
    const transcript = await worker.transcript!.read(0);
    const files = await worker.transcript!.files();
    expect(files.map(({ data }) => data.length)).toEqual([90_000]);
    const [, path] = /saved to: ([^\\"]+)/.exec(new TextDecoder().decode(transcript))!;
    await worker.stop();
    await expect(readFile(path!)).rejects.toThrow("ENOENT");
    const resumed = await own.session({ ...usual, cliSessionId, resume: { ...copyOf(transcript), files } });
    expect((await readFile(path!)).length).toBe(90_000);
    expect(await resumed.transcript!.files(new Set(files.map(({ name }) => name)))).toEqual([]);
  });

  it("leaves what the turn added when it is killed in mid-turn, and no tool use without a result", async () => {
    const cliSessionId = randomUUID();
    const worker = await begun({ cliSessionId });
    const before = await worker.transcript!.read(0);
    using _ = own.standin.script(running("sleep 60"));
    // It is written a moment after it began.
    const isWritten = async () =>
      new TextDecoder().decode(await worker.transcript!.read(before.length)).includes("sleep 60");
    const killed = until(isWritten).then(() => {
      process.kill(worker.pid!, "SIGKILL");
    });
    const { end } = await play(worker, turnOf("second"));
    await killed;
    expect(end.error?.reason).toBe("WORKER_DIED");
    const added = await worker.transcript!.read(before.length);
    expect(new TextDecoder().decode(added)).toContain("second");
    const transcript = Buffer.concat([before, added]);
    const resumed = await own.session({ ...usual, cliSessionId, resume: copyOf(transcript) });
    await ask(resumed, "third", saying("three"));
    const blocks = messagesOf().flatMap(({ content }) =>
      typeof content === "string" ? [] : (content as { type: string; id?: string; tool_use_id?: string }[]),
    );
    const usedIds = blocks.flatMap(({ type, id }) => (type === "tool_use" ? [id] : []));
    expect(usedIds.length).toBe(2);
    expect(blocks.flatMap(({ type, tool_use_id: id }) => (type === "tool_result" ? [id] : []))).toEqual(usedIds);
  });

  it("goes on under its own name when it was forked, and leaves the copied lines as they are", async () => {
    const worker = await begun();
    const copied = await worker.transcript!.read(0);
    const cliSessionId = randomUUID();
    const fork = await own.session({ ...usual, cliSessionId, resume: copyOf(copied, "copied") });
    await ask(fork, "second", saying("two"));
    const added = new TextDecoder().decode(await fork.transcript!.read(copied.length));
    const named = added.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line).sessionId as string]));
    expect(new Set(named)).toEqual(new Set([cliSessionId]));
    expect(
      Buffer.from(await fork.transcript!.read(0))
        .subarray(0, copied.length)
        .equals(copied),
    ).toBe(true);
    // And again: its transcript has lines of two sessions now.
    const whole = await fork.transcript!.read(0);
    await fork.stop();
    const again = await own.session({ ...usual, cliSessionId, resume: copyOf(whole, "copied") });
    await ask(again, "third", saying("three"));
    expect(JSON.stringify(messagesOf())).toMatch(/first.*second.*third/);
  });

  it("is not started from a transcript that is not the session's own or not whole, and the next start may try", async () => {
    const worker = await begun();
    const { cliSessionId } = worker.transcript!;
    const transcript = await worker.transcript!.read(0);
    await worker.stop();
    const start = (id: string, bytes: Uint8Array) => own.session({ ...usual, cliSessionId: id, resume: copyOf(bytes) });
    const reason = "SESSION_SUSPENDED";
    await expect(start(randomUUID(), transcript)).rejects.toMatchObject({ reason });
    await expect(start(cliSessionId, new Uint8Array())).rejects.toMatchObject({ reason });
    await expect(start(cliSessionId, transcript.subarray(0, -1))).rejects.toMatchObject({ reason });
    const resumed = await start(cliSessionId, transcript);
    await ask(resumed, "second", saying("two"));
    expect(JSON.stringify(messagesOf())).toMatch(/first.*second/);
  });
});
