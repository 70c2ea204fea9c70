import fc from "fast-check";
import { expect, test } from "vitest";
import { clipUtf8, cutUtf8, sliceUtf8 } from "../src/utf8.ts";

const text = fc.string({ unit: "binary", maxLength: 300 }).map((s) => s.toWellFormed());

test("slices are valid UTF-8 within the bound and together the whole", () => {
  fc.assert(
    fc.property(text, fc.integer({ min: 4, max: 64 }), (whole, maxBytes) => {
      const slices = sliceUtf8(whole, maxBytes);
      expect(slices.join("")).toBe(whole);
      for (const slice of slices) {
        expect(Buffer.byteLength(slice)).toBeLessThanOrEqual(maxBytes);
        expect(slice.isWellFormed()).toBe(true);
      }
    }),
  );
});

test("a cut is the longest beginning within the bound", () => {
  fc.assert(
    fc.property(text, fc.integer({ min: 4, max: 64 }), (whole, maxBytes) => {
      const cut = cutUtf8(whole, maxBytes);
      expect(whole.startsWith(cut)).toBe(true);
      expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(maxBytes);
      if (cut.length < whole.length) {
        const next = String.fromCodePoint(whole.codePointAt(cut.length)!);
        expect(Buffer.byteLength(cut + next)).toBeGreaterThan(maxBytes);
      }
    }),
  );
});

test("nothing is one empty slice", () => {
  expect(sliceUtf8("", 10)).toEqual([""]);
});

test("a clipped text says that something is missing, and is within the bound with that", () => {
  fc.assert(
    fc.property(text, fc.integer({ min: 7, max: 64 }), (whole, maxBytes) => {
      const clipped = clipUtf8(whole, maxBytes);
      expect(Buffer.byteLength(clipped)).toBeLessThanOrEqual(maxBytes);
      if (Buffer.byteLength(whole) <= maxBytes) expect(clipped).toBe(whole);
      else expect(clipped).toBe(`${cutUtf8(whole, maxBytes - 3)}…`);
    }),
  );
});
