/**
 * How a turn is to be taken in, beside what it asks of Claude: under which name, in which session, and what becomes of it
 * when its caller goes.
 */

import type { NamedRequest, SessionKind } from "../store/store.ts";
import type { Binding, OnDisconnect } from "../turn.ts";

export type BusyPolicy = "reject" | "queue" | "interrupt";

export interface SessionAsk {
  readonly id: string;
  readonly busyPolicy: BusyPolicy;
  readonly kind: SessionKind;
  /** What the request asks to be fixed; what it leaves open is the session's, or else the profile's. */
  readonly binding: Binding;
  /** With what the session is created when it is missing. Absent: then there is no turn. */
  readonly ifMissing?:
    | {
        readonly title: string;
        readonly labels: Readonly<Record<string, string>>;
        readonly idleExpiryMs: number;
      }
    | undefined;
}

export interface RequestAsk {
  /** The caller's name for it. */
  readonly id: string;
  /** A digest of what it asks for. It takes the longer, the larger the request is. */
  readonly digest: () => Promise<Uint8Array>;
}

export interface TurnAsk {
  readonly onDisconnect: OnDisconnect;
  readonly request?: RequestAsk | undefined;
  readonly session?: SessionAsk | undefined;
}

/** Whether the turn can be found again after its connection broke: by its request's name, or in its session. */
export function canBeRejoined({ request, session }: Pick<TurnAsk, "request" | "session">): boolean {
  return request !== undefined || session !== undefined;
}

/** The request as the store knows it by. */
export async function namedRequest({ request }: TurnAsk): Promise<NamedRequest | undefined> {
  return request && { id: request.id, digest: await request.digest() };
}
