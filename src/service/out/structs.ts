/**
 * Foreign JSON as a Struct or a Value, where every client can read that; else its text stands alone.
 *
 * The one door for JSON that a model or a tool wrote. Beyond a size it would be an event that is too large, beyond a
 * depth no client could read it, and some of it has no Struct: a number that no double holds, half a surrogate pair.
 */
import { fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import type { Json } from "../../json-value.ts";

/** Above about this size, in bytes of JSON, something is carried as text only: as a Struct it can be seven times as large. */
export const maxStructJsonBytes = 32 * 1024;
/**
 * Objects and lists in one another. Clients read messages that are 100 deep as a rule, and an object in an object is
 * three: Struct, its entry, Value. What is around it takes up to five.
 */
export const maxStructDepth = 30;

/** A JSON object as what protobuf-es takes for a Struct; `undefined` for anything else and for what does not fit. */
export function struct(json: Json): JsonObject | undefined {
  if (typeof json !== "object" || json === null || Array.isArray(json) || !fits(json)) return undefined;
  return json as JsonObject;
}

/** Any JSON value as a Value; `undefined` when it does not fit. */
export function value(json: Json): Value | undefined {
  return fits(json) ? fromJson(ValueSchema, json as JsonValue) : undefined;
}

/** Whether it can be sent, and read. Looks no further than that is decided; deep JSON costs no stack. */
function fits(json: Json): boolean {
  let bytes = 0;
  const left: { readonly json: Json; readonly depth: number }[] = [{ json, depth: 0 }];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { json: item, depth } = next;
    bytes += 2; // A digit or brackets, and a comma.
    if (typeof item === "string") {
      if (!item.isWellFormed()) return false;
      bytes += item.length;
    } else if (typeof item === "number") {
      if (!Number.isFinite(item)) return false;
    } else if (typeof item === "object" && item !== null) {
      if (depth === maxStructDepth) return false;
      for (const [key, member] of Object.entries(item)) {
        if (!key.isWellFormed()) return false;
        if (!Array.isArray(item)) bytes += key.length + 3;
        left.push({ json: member, depth: depth + 1 });
        if (left.length * 2 + bytes > maxStructJsonBytes) return false;
      }
    }
    if (bytes > maxStructJsonBytes) return false;
  }
  return true;
}
