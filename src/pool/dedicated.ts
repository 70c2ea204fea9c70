/**
 * Workers that serve one session alone: which of them a turn of that session gets, and which is in its way. Pure.
 *
 * Such a worker is started for a turn, with the session's transcript, and is parked between the session's turns. It is a
 * cache, never a reservation: the conversation is written down, and goes on in another process whenever this one is gone. A
 * session has one at most, since its folders are the same each time; so one that holds something else than the turn goes on
 * with, or was launched for another model, has to end before the turn gets its own.
 */
import type { Effort } from "../turn.ts";
import type { ClaimRequest } from "./claim.ts";
import { affinityOf, type WorkerState } from "./worker-state.ts";

/** Whose a worker is for life, and what it was launched for. */
export interface Dedication {
  readonly tenant: string;
  readonly affinity: string;
  readonly cliSessionId: string;
  readonly model: string;
  readonly effort: Effort;
  /** The conversation with which it is launched. */
  readonly conversation: string;
}

/** What a turn needs of a worker that serves its session alone; `undefined` when any worker will do. */
export function dedicationOf(request: ClaimRequest): Dedication | undefined {
  const { session, tenant } = request;
  if (session === undefined) return undefined;
  const { cliSessionId, model, effort } = session.launch;
  return { tenant, affinity: affinityOf(request), cliSessionId, model, effort, conversation: session.conversation };
}

/** The conversation that a turn goes on with, if a worker may still have it. */
export function conversationOf(request: Pick<ClaimRequest, "conversation" | "session">): string | undefined {
  return request.session?.conversation ?? request.conversation;
}

/** The same for two exactly when they are of one session. */
export function sessionKey({ tenant, cliSessionId }: Pick<Dedication, "tenant" | "cliSessionId">): string {
  return `${tenant}\0${cliSessionId}`;
}

/** The workers of a session. */
export function ofSession<W extends { readonly dedication: Dedication | undefined }>(
  workers: Iterable<W>,
  wanted: Dedication,
): readonly (W & { readonly dedication: Dedication })[] {
  const key = sessionKey(wanted);
  return [...workers].filter(
    (worker): worker is W & { readonly dedication: Dedication } =>
      worker.dedication !== undefined && sessionKey(worker.dedication) === key,
  );
}

/** What becomes of a turn and the worker that its session has. */
export type Meeting =
  /** The worker is the turn's. */
  | "serves"
  /** It will be the turn's, or be gone, without anything being done. */
  | "soon"
  /** It has to end first. */
  | "inTheWay";

/** `worker` is of the turn's session. */
export function meetingOf(
  wanted: Dedication,
  worker: { readonly dedication: Dedication; readonly state: WorkerState },
): Meeting {
  const { dedication, state } = worker;
  const isLaunchedForIt =
    dedication.affinity === wanted.affinity && dedication.model === wanted.model && dedication.effort === wanted.effort;
  switch (state.kind) {
    case "starting":
      return isLaunchedForIt && dedication.conversation === wanted.conversation ? "soon" : "inTheWay";
    case "boundIdle":
      return isLaunchedForIt && holdsConversation(state, wanted.conversation) ? "serves" : "inTheWay";
    case "spare":
    case "checking":
    case "claimed":
    case "resetting":
    case "stopping":
    case "exited":
      return "soon";
    default:
      return state satisfies never;
  }
}

/** Whether an idle worker holds the conversation. */
export function holdsConversation(state: WorkerState, conversation: string): boolean {
  return heldConversation(state) === conversation;
}

/** The conversation that an idle worker holds. `undefined`: none, or it is not idle. */
export function heldConversation(state: WorkerState): string | undefined {
  const idle = state.kind === "checking" ? state.idle : state;
  return idle.kind === "boundIdle" && idle.holds.kind === "conversation" ? idle.holds.id : undefined;
}
