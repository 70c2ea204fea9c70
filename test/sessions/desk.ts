/**
 * What takes turns in, for tests of the service alone.
 */
import type { Clock } from "../../src/clock.ts";
import { ModelWindows } from "../../src/conversations/model-windows.ts";
import { TurnReaders, type TurnsInFlight } from "../../src/policy/quota.ts";
import { encodeResult, type ServedResult } from "../../src/service/out/turn-encoder.ts";
import { SessionLines } from "../../src/sessions/session-lines.ts";
import { TranscriptCopies } from "../../src/sessions/transcript-copies.ts";
import { TurnDesk, type TurnDeskLimits } from "../../src/sessions/turn-desk.ts";
import type { StorageReport } from "../../src/store/storage-report.ts";
import type { Store } from "../../src/store/store.ts";
import { type SystemPromptRules, systemPromptOf } from "../../src/system-prompt.ts";
import type { Log } from "../../src/telemetry/log.ts";
import { LiveTurns } from "../../src/turns/live-turns.ts";
import { QuickStore } from "./quick-store.ts";

export interface TestDeskOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly inFlight: TurnsInFlight;
  readonly store?: Store;
  readonly limits?: Partial<TurnDeskLimits>;
  /** Default: none but that of its name. */
  readonly profiles?: Readonly<Record<string, SystemPromptRules>>;
}

const noRules: SystemPromptRules = { systemPrompt: "", systemPromptPolicy: "replace" };

export function testDesk({
  clock,
  log,
  inFlight,
  store = new QuickStore().asStore,
  limits,
  profiles = {},
}: TestDeskOptions) {
  const live = new LiveTurns<ServedResult>(clock, {
    retentionMs: 600_000,
    maxEventBytes: 64 * 1024 * 1024,
    maxEndedCount: 1_000,
  });
  const desk = new TurnDesk<ServedResult>({
    store,
    live,
    lines: new SessionLines(),
    clock,
    log,
    limits: {
      sessionQueueTimeoutMs: 30_000,
      detachedQueueTimeoutMs: 3_600_000,
      maxUnreadTurnsPerTenant: 100,
      powerSafeAll: false,
      ...limits,
    },
    enter: (tenant) => inFlight.enter(tenant),
    encodeResult,
    contextLimits: () => ({}),
    profileDigest: () => "the profile's digest",
    windows: new ModelWindows(),
    cliVersion: () => "2.1.332",
    transcripts: new TranscriptCopies(store),
    systemPrompt: (profile, asked) => systemPromptOf(profiles[profile] ?? noRules, asked),
    toolSessions: () => ({ onIncomplete: "keep", onContextFull: "compact" }),
  });
  const storage = (): StorageReport => ({ kind: "memory", problem: undefined });
  return { desk, live, store, storage, readers: new TurnReaders(256) };
}
