import { create, toBinary, toJson } from "@bufbuild/protobuf";
import { DurationSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { expect, test } from "vitest";
import { UsageSchema } from "../../gen/claude/runner/v1/result_pb.ts";
import { duration, int32, int64, milliseconds, timestamp } from "../../src/service/protobuf.ts";

test("any number can be sent as a count, a span and a moment", () => {
  const anything = fc.oneof(
    fc.double(),
    fc.constantFrom(Number.NaN, Infinity, -Infinity, 2 ** 63, -(2 ** 63), 2 ** 31),
  );
  fc.assert(
    fc.property(anything, (number) => {
      const usage = create(UsageSchema, { inputTokenCount: int64(number), webSearchRequestCount: int32(number) });
      toBinary(UsageSchema, usage);
      toJson(UsageSchema, usage);
      // Encoding as JSON checks their range.
      toJson(DurationSchema, duration(number));
      toJson(TimestampSchema, timestamp(number));
    }),
  );
});

test("a count is the nearest one that its field holds", () => {
  expect([5.25, 10.5, -7.6, 3e9, -3e9, Number.NaN].map(int32)).toEqual([5, 11, -8, 2147483647, -2147483648, 0]);
  expect([5.25, 1e20, -1e20, 2 ** 53, Number.NaN].map(int64)).toEqual([
    5n,
    9223372036854775807n,
    -9223372036854775808n,
    9007199254740992n,
    0n,
  ]);
});

test("a span is kept to the nanosecond, and is never negative", () => {
  expect([0, 1.5, 1234.567891, -3].map((ms) => milliseconds(duration(ms)))).toEqual([0, 1.5, 1234.567891, 0]);
  expect(duration(1999.9999999999)).toMatchObject({ seconds: 1n, nanos: 999_999_999 });
});

test("a moment before 1970 counts its fraction onwards", () => {
  expect(timestamp(-1)).toMatchObject({ seconds: -1n, nanos: 999_000_000 });
});
