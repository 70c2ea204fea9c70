/**
 * What a session makes of its next turn: notices, the guard against too long a conversation, what was said before.
 */
import { describe, expect, it } from "vitest";
import { ModelWindows } from "../../src/conversations/model-windows.ts";
import { TranscriptCopies } from "../../src/sessions/transcript-copies.ts";
import { turnInSession } from "../../src/sessions/turn-in-session.ts";
import type { SessionRecord } from "../../src/store/store.ts";
import type { Binding } from "../../src/turn.ts";
import { noUsage } from "../../src/usage.ts";
import { aTurn } from "../turns/scripted.ts";
import { QuickStore } from "./quick-store.ts";

const session = (more: Partial<SessionRecord> = {}): SessionRecord => ({
  id: "trip",
  tenant: "acme",
  profile: "default",
  binding: {},
  kind: "text",
  title: "",
  labels: {},
  runningTurnId: undefined,
  suspension: undefined,
  turnCount: 1,
  lastTurnId: "t-1",
  usage: noUsage,
  costUsdMicros: 0,
  contextTokens: 100,
  contextWindowTokens: 200_000,
  profileDigest: "as it was",
  createdAtMs: 0,
  updatedAtMs: 0,
  idleExpiryMs: 1,
  expiresAtMs: 1,
  forkedFrom: undefined,
  epoch: 1,
  transcript: undefined,
  ...more,
});

function scene({ digest = "as it was", windows = new ModelWindows(), contentBytes = 10 } = {}) {
  const content = [{ kind: "text", text: "x".repeat(contentBytes) }] as const;
  const store = new QuickStore().asStore;
  const parts = {
    store,
    transcripts: new TranscriptCopies(store),
    windows,
    contextLimits: () => ({}),
    profileDigest: () => digest,
    systemPrompt: (_: string, asked: string | undefined) => asked ?? "the profile's",
    toolSessions: () => ({ onIncomplete: "keep", onContextFull: "refuse" }) as const,
  };
  return (record: SessionRecord, model = "claude-opus-5-5", asked: Partial<Binding> = {}) =>
    turnInSession(parts, { turn: { ...aTurn({ content }), settings: { model, effort: "low" } }, asked }, record);
}
const kinds = (turn: ReturnType<typeof turnInSession>) => turn.notices?.map(({ noticeKind }) => noticeKind);

describe("what is fixed for a turn of a session", () => {
  const binding = { systemPrompt: "Be brief.", outputSchemaJson: "{}" };

  it("is the session's, where its own request leaves it open", () => {
    expect(scene()(session({ binding })).binding).toEqual(binding);
    expect(scene()(session({ binding }), undefined, { systemPrompt: "Be brief." }).binding).toEqual(binding);
  });

  it("is the profile's, where the session leaves it open too", () => {
    expect(scene()(session({ binding: undefined })).binding).toEqual({ systemPrompt: "the profile's" });
  });
});

describe("a turn of a session whose profile's settings", () => {
  it("are as they were says nothing", () => {
    expect(kinds(scene()(session()))).toEqual([]);
  });

  it("have changed since its last turn goes on under the new ones, with a notice that names the profile", () => {
    const { notices } = scene({ digest: "as it is now" })(session());
    expect(notices).toMatchObject([{ noticeKind: "profile_changed" }]);
    expect(notices?.[0]?.text).toContain("default");
  });

  it("have changed goes on with its transcript too", () => {
    const transcript = { cliSessionId: "c", cliVersion: "2.1.332", sizeBytes: 1, digest: "d" };
    expect(kinds(scene({ digest: "as it is now" })(session({ kind: "tools", transcript })))).toEqual([
      "profile_changed",
    ]);
  });

  it("were never written down, before its first turn, says nothing", () => {
    const record = session({ turnCount: 0, profileDigest: undefined });
    expect(kinds(scene({ digest: "as it is now" })(record))).toEqual([]);
  });

  it("have changed in a long conversation says both", () => {
    const record = session({ contextTokens: 160_000 });
    expect(kinds(scene({ digest: "as it is now" })(record))).toEqual(["profile_changed", "context_filling_up"]);
  });
});

describe("a turn that asks for another model than the last one", () => {
  const windows = new ModelWindows();
  windows.learn("small", 100_000);
  windows.learn("large", 1_000_000);

  it("is refused where that one's window is full", () => {
    const record = session({ contextTokens: 90_000 });
    expect(() => scene({ windows })(record, "small")).toThrow(/would have about/);
    expect(kinds(scene({ windows })(record, "large"))).toEqual([]);
  });

  it("goes on where that one's window is larger", () => {
    const record = session({ contextTokens: 190_000 });
    expect(kinds(scene({ windows })(record, "large"))).toEqual([]);
    expect(() => scene({ windows })(record, "never seen")).toThrow(/would have about/);
  });

  it("is left to Claude Code when it is the first: of its size there is only an estimate", () => {
    const record = session({ turnCount: 0, contextTokens: 0, contextWindowTokens: 0 });
    expect(kinds(scene({ windows, contentBytes: 600_000 })(record, "small"))).toEqual([]);
  });

  it("is guarded by what turns report, and what reports nothing changes nothing", () => {
    const learned = new ModelWindows();
    learned.learn("small", 100_000);
    learned.learn("small", 0);
    expect(learned.of("small")).toBe(100_000);
  });

  it("forgets models beyond a hundred, the one that was longest ago first", () => {
    const many = new ModelWindows();
    for (let at = 0; at < 100; at += 1) many.learn(`m-${at}`, 1);
    many.learn("m-0", 2);
    many.learn("m-100", 1);
    expect([many.of("m-0"), many.of("m-1"), many.of("m-100")]).toEqual([2, undefined, 1]);
  });
});
