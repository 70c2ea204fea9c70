/**
 * Compares what two workers sent to the model API, byte by byte apart from ids, and tells the first difference.
 *
 * The ids that may differ are named here, one by one, and only where they stand and look like ids: whatever else is
 * different is a difference. Prompts are never shown whole, credentials not at all.
 */
import type { IncomingHttpHeaders } from "node:http";

/** A request to the model API as it arrived there. */
export interface SentRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly bodyText: string;
}

/** The first difference: where it is, and a few characters of both sides. */
export interface Difference {
  /** Such as `request 1, body at $.messages[0].content[1].text`. */
  readonly where: string;
  readonly fresh: string;
  readonly reused: string;
}

/** Headers that name a session or a request. Every other header has to be the same. */
const idHeaders: ReadonlySet<string> = new Set(["x-claude-code-session-id", "x-client-request-id", "x-request-id"]);
const secretHeaders: ReadonlySet<string> = new Set(["authorization", "x-api-key", "proxy-authorization", "cookie"]);

/** The ids within `metadata.user_id`, which is JSON in a string. What does not look like an id is compared. */
const userIdMembers: Readonly<Record<string, RegExp>> = {
  device_id: /^[0-9a-f]{64}$/,
  session_id: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
};

/**
 * Once a connection broke before its answer the CLI keeps none open any more, for as long as it lives. The header is about
 * the connection and says nothing of a turn, so it may be gone; `keepsConnections` makes it known all the same.
 */
const keptOpen = "keep-alive";

/** What is shown of a side, in characters. */
const excerptChars = 100;
/** How much of that stands before the difference. */
const leadChars = 30;

/** Compares all that a fresh worker sent for a prompt with all that a reused one sent for the same. */
export function firstDifference(fresh: readonly SentRequest[], reused: readonly SentRequest[]): Difference | undefined {
  for (const [index, one] of fresh.entries()) {
    const other = reused[index];
    if (other === undefined) break;
    const difference = differenceOf(one, other);
    if (difference !== undefined) return { ...difference, where: `request ${index + 1}, ${difference.where}` };
  }
  if (fresh.length === reused.length) return undefined;
  return { where: "the number of requests", fresh: String(fresh.length), reused: String(reused.length) };
}

/** Whether a worker's connections to the model API stay open for the next request. */
export function keepsConnections(sent: readonly SentRequest[]): boolean {
  return sent.every(({ headers }) => headers.connection === keptOpen);
}

function differenceOf(fresh: SentRequest, reused: SentRequest): Difference | undefined {
  const lines = [fresh, reused].map(({ method, path }) => `${method} ${path}`) as [string, string];
  if (lines[0] !== lines[1]) return excerpts("first line", ...lines);
  const names = [...new Set([...Object.keys(fresh.headers), ...Object.keys(reused.headers)])].sort();
  // The body says more than its length: headers come after it.
  return (
    bodyDifference(withoutIds(fresh.bodyText), withoutIds(reused.bodyText)) ?? headerDifference(names, fresh, reused)
  );
}

function headerDifference(
  names: readonly string[],
  { headers: fresh }: SentRequest,
  { headers: reused }: SentRequest,
): Difference | undefined {
  for (const name of names) {
    const sides = [fresh[name], reused[name]].map((value) => (value === undefined ? "(absent)" : String(value)));
    const [one, other] = sides as [string, string];
    // An id may be another one, but it may not be there on one side only.
    const isSame = idHeaders.has(name) ? (one === "(absent)") === (other === "(absent)") : one === other;
    if (isSame || (name === "connection" && one === keptOpen && other === "(absent)")) continue;
    const where = `header ${name}`;
    return secretHeaders.has(name)
      ? { where, fresh: "(not shown)", reused: "(not shown)" }
      : excerpts(where, one, other);
  }
  return undefined;
}

/** The text of a body with the ids in `metadata.user_id` taken out; everything else is untouched. */
export function withoutIds(bodyText: string): string {
  const userId = userIdOf(bodyText);
  if (userId === undefined) return bodyText;
  const member = `"user_id":${JSON.stringify(userId)}`;
  const at = bodyText.indexOf(member);
  // What is there twice could be a caller's words: then nothing is taken out, and it shows as a difference.
  if (at < 0 || bodyText.indexOf(member, at + 1) >= 0) return bodyText;
  const masked = `"user_id":${JSON.stringify(maskIds(userId))}`;
  return `${bodyText.slice(0, at)}${masked}${bodyText.slice(at + member.length)}`;
}

function maskIds(userId: string): string {
  const ids = parsed(userId);
  if (!isRecord(ids)) return userId;
  let masked = userId;
  for (const [name, form] of Object.entries(userIdMembers)) {
    const id = ids[name];
    if (typeof id === "string" && form.test(id)) masked = masked.replace(`"${name}":"${id}"`, `"${name}":"(id)"`);
  }
  return masked;
}

function userIdOf(bodyText: string): string | undefined {
  const body = parsed(bodyText);
  const metadata = isRecord(body) ? body.metadata : undefined;
  return isRecord(metadata) && typeof metadata.user_id === "string" ? metadata.user_id : undefined;
}

/** Decides by the bytes; the structure only serves to say where it is. */
function bodyDifference(fresh: string, reused: string): Difference | undefined {
  if (fresh === reused) return undefined;
  const found = valueDifference(parsed(fresh), parsed(reused), "$");
  if (found !== undefined) return found;
  return excerpts(`body at byte ${commonPrefix(fresh, reused)}`, fresh, reused);
}

function valueDifference(fresh: unknown, reused: unknown, path: string): Difference | undefined {
  if (fresh === reused) return undefined;
  const where = `body at ${path}`;
  if (typeof fresh === "string" && typeof reused === "string") return excerpts(where, fresh, reused);
  if (Array.isArray(fresh) && Array.isArray(reused)) {
    for (let index = 0; index < Math.max(fresh.length, reused.length); index++) {
      const inside = `${path}[${index}]`;
      if (index >= fresh.length) return sides(`body at ${inside}`, "(absent)", shown(reused[index]));
      if (index >= reused.length) return sides(`body at ${inside}`, shown(fresh[index]), "(absent)");
      const difference = valueDifference(fresh[index], reused[index], inside);
      if (difference !== undefined) return difference;
    }
    return undefined;
  }
  if (isRecord(fresh) && isRecord(reused)) {
    for (const key of new Set([...Object.keys(fresh), ...Object.keys(reused)])) {
      const inside = `${path}.${key}`;
      if (!(key in fresh)) return sides(`body at ${inside}`, "(absent)", shown(reused[key]));
      if (!(key in reused)) return sides(`body at ${inside}`, shown(fresh[key]), "(absent)");
      const difference = valueDifference(fresh[key], reused[key], inside);
      if (difference !== undefined) return difference;
    }
    return undefined;
  }
  return sides(where, shown(fresh), shown(reused));
}

/** Both texts around the place where they part. */
/** A few characters of both sides, from a little before they differ. */
export function excerpts(where: string, fresh: string, reused: string): Difference {
  const at = commonPrefix(fresh, reused);
  return sides(where, excerpt(fresh, at), excerpt(reused, at));
}

function excerpt(text: string, at: number): string {
  const start = Math.max(0, at - leadChars);
  const end = start + excerptChars;
  // Quoted, so that nothing in it moves a cursor or breaks a line.
  const quoted = JSON.stringify(text.slice(start, end)).slice(1, -1);
  return `${start > 0 ? "…" : ""}${quoted}${end < text.length ? "…" : ""}`;
}

function sides(where: string, fresh: string, reused: string): Difference {
  return { where, fresh, reused };
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "undefined";
  return text.length <= excerptChars ? text : `${text.slice(0, excerptChars)}…`;
}

function commonPrefix(one: string, other: string): number {
  let at = 0;
  while (at < one.length && one[at] === other[at]) at++;
  return at;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // No JSON: there is nothing to look into, the bytes are compared as they are.
    return undefined;
  }
}
