/** Sessions on the fake CLI, whose processes and words are quick: what the real one does is in the other file. */
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { LocatedCli } from "../../../src/cli/program/locate.ts";
import type { SessionLaunch } from "../../../src/session-launch.ts";
import { type FakeCli, makeFakeCli } from "../../fakes/fake-cli.ts";
import { play, type Rig, rig, textOf, turnOf } from "../real-cli.ts";

let fake: FakeCli;
let own: Rig;
beforeEach(async () => {
  fake = await makeFakeCli();
  const cli: LocatedCli = { kind: "found", path: fake.path, version: "2.1.332", source: "settings", fingerprint: "" };
  own = await rig({ cli });
});
afterEach(async () => {
  await own[Symbol.asyncDispose]();
  await fake[Symbol.asyncDispose]();
});

const launch = (more: Partial<SessionLaunch> = {}): SessionLaunch => ({
  cliSessionId: randomUUID(),
  model: "claude-opus-5-5",
  effort: "medium",
  binding: { systemPrompt: "Answer." },
  ...more,
});

describe("a session's worker on the fake CLI", () => {
  it("is bound from its start, writes its turns down and is resumed by its id", async () => {
    const session = launch();
    const worker = await own.session(session);
    const { events } = await play(worker, turnOf("first"));
    expect(textOf(events)).toBe("You said: first");
    const transcript = await worker.transcript!.read(0);
    await worker.stop();
    const resumed = await own.session({ ...session, resume: { transcript, origin: "own", files: [] } });
    await play(resumed, turnOf("second"));
    const added = new TextDecoder().decode(await resumed.transcript!.read(transcript.length));
    expect(added.split("\n").filter((line) => line !== "")).toHaveLength(2);
    const starts = (await fake.record()).flatMap(({ started }) => (started ? [started] : []));
    expect(starts.map(({ args }) => args.filter((arg) => /session|resume/.test(arg)))).toEqual([
      [`--session-id=${session.cliSessionId}`],
      [`--resume=${session.cliSessionId}`],
    ]);
    expect(new Set(starts.map(({ env }) => `${env.HOME} ${env.TMPDIR}`)).size).toBe(1);
  });

  it("leaves what it had written when it is killed, and its folder to the next one", async () => {
    const session = launch();
    const worker = await own.session(session);
    await play(worker, turnOf("first"));
    const before = (await worker.transcript!.read(0)).length;
    const { end } = await play(worker, turnOf("[[fake hang]] second"), (event) => {
      if (event.kind === "init") process.kill(worker.pid!, "SIGKILL");
    });
    expect(end.error?.reason).toBe("WORKER_DIED");
    await worker.exited;
    expect(new TextDecoder().decode(await worker.transcript!.read(before))).toContain("second");
    const next = await own.session(session);
    expect((await next.transcript!.read(0)).length).toBe(0);
  });
});
