/**
 * What the end of a turn with tools leaves its session.
 */
import { expect, it } from "vitest";
import { ModelWindows } from "../../src/conversations/model-windows.ts";
import { endInSession } from "../../src/sessions/session-end.ts";
import type { TranscriptCopies } from "../../src/sessions/transcript-copies.ts";
import type { SessionRecord } from "../../src/store/store.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import type { TurnEnd } from "../../src/turn-end.ts";
import type { WorkerTranscript } from "../../src/worker-process.ts";
import { aTurn, goodEnd } from "../turns/scripted.ts";

const session = { id: "s", contextTokens: 150_000, contextWindowTokens: 200_000 } as SessionRecord;
const copied = { cliSessionId: "c", cliVersion: "2.1.332", sizeBytes: 1, digest: "d" };

const endOf = (more: Partial<TurnEnd>) =>
  endInSession(
    {
      log: silentLog,
      windows: new ModelWindows(),
      transcripts: { copy: async () => copied } as unknown as TranscriptCopies,
      cliVersion: () => "2.1.332",
      toolSessions: () => ({ onIncomplete: "keep", onContextFull: "refuse" }),
      profileDigest: () => "p",
    },
    { ...goodEnd, ...more },
    { turn: aTurn(), session, lease: { turnId: "t", epoch: 1 }, transcript: {} as WorkerTranscript },
  );

it("a turn whose worker died before it said how full the conversation is leaves what was known", async () => {
  const ending = await endOf({ outcome: "workerDied", contextTokens: 0, contextWindowTokens: 0 });
  expect(ending).toMatchObject({ isInConversation: true, contextTokens: 150_000, contextWindowTokens: 200_000 });
});

it("a turn that says how full it is now is believed, also when that is less", async () => {
  expect(await endOf({ contextTokens: 20_000 })).toMatchObject({ contextTokens: 20_000 });
});
