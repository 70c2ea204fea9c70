/**
 * What the store answers to a turn, a session or a fork that it does not take, as what the caller gets.
 */
import { RunnerError } from "../runner-error.ts";
import type { Acceptance, QuotaExceeded, SessionField } from "../store/store.ts";
import type { TurnAsk } from "./turn-ask.ts";

export const sessionNotFound = (id: string): RunnerError =>
  new RunnerError("SESSION_NOT_FOUND", `there is no session "${id}"`, { facts: { sessionId: id } });

export const sessionExists = (id: string): RunnerError =>
  new RunnerError("SESSION_EXISTS", `there is a session "${id}" already`, { facts: { sessionId: id } });

export const turnNotFound = (which: string): RunnerError =>
  new RunnerError("TURN_NOT_FOUND", `there is no turn ${which}, or the server has forgotten it`);

export function sessionBusy(id: string, runningTurnId: string, waitedMs?: number): RunnerError {
  const after = waitedMs === undefined ? "" : ` after ${waitedMs} ms in the session's queue`;
  return new RunnerError("SESSION_BUSY", `the session "${id}" is busy with the turn ${runningTurnId}${after}`, {
    facts: { sessionId: id, runningTurnId, ...(waitedMs !== undefined && { waitedMs }) },
  });
}

const fieldNames: Readonly<Record<SessionField, string>> = {
  profile: "profile",
  systemPrompt: "system_prompt",
  outputSchemaJson: "output_schema_json",
};

export function sessionMismatch(id: string, differing: readonly SessionField[]): RunnerError {
  const names = differing.map((field) => fieldNames[field]).join(", ");
  const message = `the session "${id}" has another ${names}: leave it unset, or begin another session`;
  return new RunnerError("SESSION_MISMATCH", message, { facts: { sessionId: id, differing: names } });
}

export function requestIdReused(requestId: string, turnId: string): RunnerError {
  const message = `the request_id "${requestId}" stands for another request, which led to the turn ${turnId}`;
  return new RunnerError("REQUEST_ID_REUSED", message, { facts: { requestId, turnId } });
}

const kept: Readonly<Record<QuotaExceeded["what"], string>> = {
  bytes: "bytes of what is kept",
  sessions: "sessions",
  requestIds: "request_ids",
  turns: "turns that are kept",
};

/** Without a time for another try: room comes when something is deleted, or when it expires. */
export function storeQuota({ what, limit, isGlobal }: QuotaExceeded, tenant: string): RunnerError {
  const whose = isGlobal ? "the server has" : `the tenant "${tenant}" has`;
  return new RunnerError("QUOTA_EXCEEDED", `${whose} reached its limit of ${limit} ${kept[what]}`, {
    facts: { what, limit, isGlobal, tenant, subject: isGlobal ? "server" : `tenant:${tenant}` },
  });
}

/** Why the store did not take a turn in. */
export function acceptanceRefusal(
  acceptance: Acceptance,
  tenant: string,
  { request, session }: Pick<TurnAsk, "request" | "session"> = {},
): RunnerError {
  const sessionId = session?.id ?? "";
  switch (acceptance.kind) {
    case "requestIdReused":
      return requestIdReused(request?.id ?? "", acceptance.turnId);
    case "sessionNotFound":
      return sessionNotFound(sessionId);
    case "sessionBusy":
      return sessionBusy(sessionId, acceptance.runningTurnId);
    case "sessionMismatch":
      return sessionMismatch(sessionId, acceptance.differing);
    case "quotaExceeded":
      return storeQuota(acceptance, tenant);
    case "accepted":
    case "duplicate":
      throw new Error(`bug: ${acceptance.kind} is no refusal`);
    default:
      return acceptance satisfies never;
  }
}
