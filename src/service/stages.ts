/**
 * The parts of a turn's time that are measured: what the spans, the histogram, the result and the view of the pool agree on.
 */
import type { spanNames } from "../telemetry/instruments.ts";

/** The stages that follow each other, from the call's arrival to its end. */
export type StageName = keyof typeof spanNames &
  ("check" | "queueWait" | "claim" | "bind" | "configure" | "seedHistory" | "stdinWrite" | "turn" | "reply");
/** What is measured within the turn, from its beginning. */
export type MilestoneName = keyof typeof spanNames & ("firstEvent" | "firstText");

/** In milliseconds, once they are over. What happened twice, on two workers, is counted together. */
export type StageTimes = Partial<Record<StageName | MilestoneName | "arrivalToFirstText" | "total", number>>;
