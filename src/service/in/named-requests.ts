/**
 * How a request wants its turn to be taken in: its name, its session, and what becomes of it without its caller.
 */
import {
  BusyPolicy as BusyPolicyMessage,
  type ChatRequest,
  OnDisconnect as OnDisconnectMessage,
  type StreamChatRequest,
} from "../../../gen/claude/runner/v1/runner_pb.ts";
import type { ProfileSettings } from "../../config/profile-settings.ts";
import { RunnerError } from "../../runner-error.ts";
import type { BusyPolicy, TurnAsk } from "../../sessions/turn-ask.ts";
import type { Turn } from "../../turn.ts";
import { milliseconds } from "../protobuf.ts";
import type { Broken } from "./content.ts";
import { requestDigest } from "./request-digest.ts";

/** What is left out rejects. */
const policies: Readonly<Record<number, BusyPolicy | undefined>> = {
  [BusyPolicyMessage.QUEUE]: "queue",
  [BusyPolicyMessage.INTERRUPT]: "interrupt",
};

export interface ExpiryLimits {
  readonly sessionIdleExpiryMs: number;
  readonly maxSessionIdleExpiryMs: number;
}

type Request = StreamChatRequest | ChatRequest;

/** Whether its turn can be found again, so that more than its own call may ask for it. */
export function isNamed({ session, requestId }: Pick<Request, "session" | "requestId">): boolean {
  return session !== undefined || requestId !== "";
}

/** The rules that several of these fields have together. */
export function checkAsk(request: Request, { maxSessionIdleExpiryMs }: ExpiryLimits, broken: Broken): void {
  const { session, history, busyPolicy, onDisconnect, requestId } = request;
  if (session !== undefined && history.length > 0) {
    broken("history", "must not be set together with session, which has the conversation");
  }
  if (session === undefined && busyPolicy !== BusyPolicyMessage.UNSPECIFIED) {
    broken("busy_policy", "must not be set without session");
  }
  if (onDisconnect === OnDisconnectMessage.CONTINUE && session === undefined && requestId === "") {
    broken("on_disconnect", "ON_DISCONNECT_CONTINUE needs a request_id or a session, by which the turn is found again");
  }
  checkIdleExpiry(session?.idleExpiry, "session.idle_expiry", maxSessionIdleExpiryMs, broken);
}

export function checkIdleExpiry(
  expiry: Parameters<typeof milliseconds>[0] | undefined,
  field: string,
  maxMs: number,
  broken: Broken,
): void {
  if (expiry === undefined) return;
  const ms = milliseconds(expiry);
  if (ms > maxMs) broken(field, `must be at most ${maxMs / 1_000} s, the server's maximum; it is ${ms / 1_000} s`);
}

/** Throws CONTENT_NOT_KEPT for what the profile does not allow to be written down. */
export function toAsk(
  request: Request,
  turn: Turn,
  profile: ProfileSettings,
  { sessionIdleExpiryMs }: ExpiryLimits,
): TurnAsk {
  const { session, busyPolicy, requestId } = request;
  const ask: TurnAsk = {
    onDisconnect: turn.onDisconnect ?? "cancel",
    ...(requestId !== "" && { request: { id: requestId, digest: () => requestDigest(request) } }),
    ...(session !== undefined && {
      session: {
        id: session.id,
        busyPolicy: policies[busyPolicy] ?? "reject",
        // As it was asked for: a session whose profile gets another system prompt goes on under that one.
        binding: { systemPrompt: request.systemPrompt, outputSchemaJson: turn.binding.outputSchemaJson },
        kind: profile.tools.length > 0 || turn.binding.outputSchemaJson !== undefined ? "tools" : "text",
        ...(session.allowMissing && {
          ifMissing: {
            title: session.title,
            labels: session.labels,
            idleExpiryMs: session.idleExpiry === undefined ? sessionIdleExpiryMs : milliseconds(session.idleExpiry),
          },
        }),
      },
    }),
  };
  refuseUnkept(ask, turn, profile);
  return ask;
}

function refuseUnkept(ask: TurnAsk, { profile: name }: Turn, { storeContent }: ProfileSettings): void {
  if (storeContent === "full") return;
  const fields = [
    ...(ask.session === undefined ? [] : ["session"]),
    ...(ask.request === undefined ? [] : ["request_id"]),
    ...(ask.onDisconnect === "continue" ? ["on_disconnect: ON_DISCONNECT_CONTINUE"] : []),
  ];
  if (fields.length === 0) return;
  const message = `the profile "${name}" keeps no words, so it has no ${fields.join(", ")}`;
  throw new RunnerError("CONTENT_NOT_KEPT", message, { facts: { profile: name, fields: fields.join(", ") } });
}
