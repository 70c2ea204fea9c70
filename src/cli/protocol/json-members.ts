/**
 * Reads members of JSON whose shape is only believed, not known: what the CLI writes changes from version to version.
 *
 * Each function answers with something usable when a member is missing or of another type; nothing here throws.
 */
import type { Json } from "../../json-value.ts";

export type JsonObject = { readonly [key: string]: Json };

const nothing: JsonObject = {};

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A string member; empty when there is none. */
export function textAt(object: JsonObject, key: string): string {
  const value = object[key];
  return typeof value === "string" ? value : "";
}

/** A finite number member. */
export function numberAt(object: JsonObject, key: string): number | undefined {
  const value = object[key];
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/**
 * A count: a whole number from 0 to 2^53-1, whatever the member is. Gateways that translate another protocol write
 * fractions, negative and huge numbers and text where the model API counts.
 */
export function countAt(object: JsonObject, key: string): number {
  return toCount(amountAt(object, key));
}

/** An amount that may have a fraction, such as a cost or a time: never negative; 0 when there is none. */
export function amountAt(object: JsonObject, key: string): number {
  return Math.max(0, numberAt(object, key) ?? 0);
}

/** The nearest count to a number. */
export function toCount(value: number): number {
  // The second bound is for what a computation makes of numbers that were finite.
  return value >= 0 ? Math.min(Math.round(value), Number.MAX_SAFE_INTEGER) : 0;
}

/** Whether a member is `true`. */
export function flagAt(object: JsonObject, key: string): boolean {
  return object[key] === true;
}

/** An object member; an empty one when there is none. */
export function objectAt(object: JsonObject, key: string): JsonObject {
  const value = object[key];
  return isObject(value) ? value : nothing;
}

/** A list member; an empty one when there is none. */
export function listAt(object: JsonObject, key: string): readonly Json[] {
  const value = object[key];
  return Array.isArray(value) ? value : [];
}

/** The objects of a list member. */
export function objectsAt(object: JsonObject, key: string): readonly JsonObject[] {
  return listAt(object, key).filter(isObject);
}

/** The strings of a list member. */
export function textsAt(object: JsonObject, key: string): readonly string[] {
  return listAt(object, key).filter((value) => typeof value === "string");
}
