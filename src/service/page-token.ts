/**
 * Where a list goes on, as a text that callers hand back unread. Bound to whose list it is and to what it was asked for: with
 * another tenant's, or with other filters, it means nothing.
 */
import { createHash } from "node:crypto";
import type { Violation } from "../runner-error.ts";
import type { Position } from "../store/store.ts";
import { invalidRequest } from "./in/rules.ts";

/** The most elements of a page that asks for no number. */
export const defaultPageSize = 50;
/** A page ends when its messages have so many bytes, whatever it was asked for. */
export const maxPageBytes = 2 * 1024 * 1024;

export interface PageOwner {
  readonly tenant: string;
  /** What the list was asked for, without the page. */
  readonly filter: unknown;
}

export function pageToken({ atMs, id }: Position, owner: PageOwner): string {
  return Buffer.from(JSON.stringify([mark(owner), atMs, id])).toString("base64url");
}

/** `undefined` for the first page. Throws INVALID_REQUEST for a token that is not this list's. */
export function pageStart(token: string, owner: PageOwner): Position | undefined {
  if (token === "") return undefined;
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(token, "base64url").toString());
  } catch {
    throw invalidRequest([foreign]);
  }
  if (!Array.isArray(parts)) throw invalidRequest([foreign]);
  const [of, atMs, id] = parts as unknown[];
  if (of !== mark(owner) || typeof atMs !== "number" || !Number.isFinite(atMs) || typeof id !== "string") {
    throw invalidRequest([foreign]);
  }
  return { atMs, id };
}

const foreign: Violation = {
  field: "page_token",
  description: "must be empty, or the next_page_token of a page of the same list with the same filters",
};

function mark({ tenant, filter }: PageOwner): string {
  return createHash("sha256")
    .update(JSON.stringify([tenant, filter]))
    .digest("base64url")
    .slice(0, 22);
}
