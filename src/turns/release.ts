/**
 * What becomes of a turn's worker: whether it may be used again, with or without its conversation, or has to end, and why.
 * Pure.
 */
import { mayBeKept, type TurnAnswer } from "../conversations/stays.ts";
import type { Release } from "../pool/claim.ts";
import { isParked, type ParkingLimits } from "../pool/parking.ts";
import { type KeepingLimits, keptConversation } from "../pool/reset-timing.ts";
import { afterPreparation, afterTurn } from "../pool/stop-reason.ts";
import { isRunnerError } from "../runner-error.ts";
import type { Turn } from "../turn.ts";
import type { TurnEnd } from "../turn-end.ts";

/**
 * What was under way when a preparation failed.
 *
 * - bind: the worker was being bound, so it is open which binding it has
 * - set: it was being configured, seeded or given the prompt
 * - wait: it had what was asked of it, and the turn waited for something else: the store that it is written down in
 */
export type PreparationStep = "bind" | "set" | "wait";

/** A preparation that did not come to its end. */
export interface FailedPreparation {
  readonly step: PreparationStep;
  /** The conversation that the turn goes on with, if the worker was given out with it. */
  readonly held: string | undefined;
  /** Whether the turn was ended from outside. */
  readonly wasAborted: boolean;
  readonly error: unknown;
}

/**
 * What the turn itself failed with costs a worker nothing: it still has the conversation that it had. After an aborted seeding
 * a reset undoes what came so far. An aborted bind leaves it open which binding the worker has, and what fails by itself on
 * the worker is not understood.
 */
export function afterFailedPreparation({ step, held, wasAborted, error }: FailedPreparation): Release {
  if (step === "wait") return { kind: "finished", conversation: held };
  if (step === "set" && wasAborted && !isRunnerError(error, "WORKER_DIED")) return { kind: "finished" };
  return { kind: "discard", why: afterPreparation(error, wasAborted) };
}

/** What a turn's end says about its worker. */
export type WorkerVerdict = Pick<TurnEnd, "workerReusable"> & TurnAnswer;

/** A worker that did not complete its turn forgets all, whatever it had kept before: who knows what is in it now? */
export function afterEndedTurn(end: WorkerVerdict, turn: Pick<Turn, "conversation" | "sessionLaunch">): Release {
  if (!end.workerReusable) return { kind: "discard", why: afterTurn(end.outcome) };
  const { conversation, sessionLaunch } = turn;
  // What a transcript has been given stays, words or not.
  const stays = sessionLaunch === undefined ? mayBeKept(end) : end.outcome === "completed";
  if (conversation === undefined || !stays) return { kind: "finished" };
  return { kind: "finished", conversation: conversation.after };
}

/** What is planned for the worker of an ended turn, in a profile that uses its workers so. */
export function plannedFate(
  end: WorkerVerdict,
  turn: Pick<Turn, "conversation" | "sessionLaunch">,
  profile: KeepingLimits & ParkingLimits & { readonly reuse: boolean },
): "reset" | "kept" | "ended" {
  const release = afterEndedTurn(end, turn);
  if (release.kind === "discard") return "ended";
  if (turn.sessionLaunch !== undefined) return isParked(release.conversation, profile) ? "kept" : "ended";
  if (!profile.reuse) return "ended";
  return keptConversation(release.conversation, profile) === undefined ? "reset" : "kept";
}
