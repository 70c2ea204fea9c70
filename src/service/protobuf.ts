/**
 * Plain values as protobuf's well-known types.
 */
import { create, fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import {
  type Duration,
  DurationSchema,
  type Timestamp,
  TimestampSchema,
  type Value,
  ValueSchema,
} from "@bufbuild/protobuf/wkt";
import type { Json } from "../json-value.ts";

/** Milliseconds, with fractions, as a Duration. */
export function duration(ms: number): Duration {
  const nanos = Math.round(Math.max(0, ms) * 1e6);
  const seconds = Math.floor(nanos / 1e9);
  return create(DurationSchema, { seconds: BigInt(seconds), nanos: nanos - seconds * 1e9 });
}

/** A Duration as milliseconds. */
export function milliseconds(value: Duration): number {
  return Number(value.seconds) * 1000 + value.nanos / 1e6;
}

/** Milliseconds since 1970 as a Timestamp. */
export function timestamp(wallMs: number): Timestamp {
  const seconds = Math.floor(wallMs / 1000);
  return create(TimestampSchema, { seconds: BigInt(seconds), nanos: Math.floor((wallMs - seconds * 1000) * 1e6) });
}

/** A JSON object as what protobuf-es takes for a Struct; `undefined` for anything but an object. */
export function struct(value: Json): JsonObject | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
}

/** Any JSON value as a Value. */
export function value(json: Json): Value {
  return fromJson(ValueSchema, json as JsonValue);
}
