import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isPdf } from "../../../src/service/in/media.ts";
import { lookAtPicture } from "../../../src/service/in/pictures.ts";
import { costGrowth } from "../cpu-cost.ts";
import { gif, jpeg, png, webp } from "./picture-files.ts";

const kinds: readonly [string, string, (width: number, height: number) => Buffer][] = [
  ["PNG", "image/png", png],
  ["JPEG, progressive", "image/jpeg", jpeg],
  ["JPEG, baseline", "image/jpeg", (width, height) => jpeg(width, height, 0xc0)],
  ["GIF", "image/gif", gif],
  ["WebP, lossy", "image/webp", (width, height) => webp(width, height, "VP8 ")],
  ["WebP, lossless", "image/webp", (width, height) => webp(width, height, "VP8L")],
  ["WebP, extended", "image/webp", (width, height) => webp(width, height, "VP8X")],
];

describe.each(kinds)("a picture: %s", (_kind, mediaType, ofSize) => {
  test("says how large it is", () => {
    for (const [width, height] of [
      [1, 1],
      [300, 200],
      [16_000, 9_000],
      [7, 16_383],
    ] as const) {
      expect(lookAtPicture(ofSize(width, height))).toEqual({ mediaType, size: { width, height } });
    }
  });

  test("is broken when it ends anywhere before its own end", () => {
    const whole = ofSize(300, 200);
    const end = mediaType === "image/jpeg" ? whole.lastIndexOf(Buffer.from([0xff, 0xd9])) : whole.length;
    const last = mediaType === "image/gif" ? end - 1 : end; // its last byte says only that nothing follows
    for (let length = 12; length < last; length++) {
      expect(lookAtPicture(whole.subarray(0, length)) ?? { mediaType }).toEqual({ mediaType, size: undefined });
    }
  });

  test("is broken when garbage follows its first bytes", () => {
    const whole = ofSize(300, 200);
    for (const filler of [0, 1, 0x2c, 0xff]) {
      const garbage = Buffer.concat([whole.subarray(0, 12), Buffer.alloc(1_000, filler)]);
      expect(lookAtPicture(garbage)).toEqual({ mediaType, size: undefined });
    }
  });

  test("without width or height is broken", () => {
    if (mediaType === "image/webp") return; // cannot say 0 but in one of its forms
    expect(lookAtPicture(ofSize(0, 5))?.size).toBeUndefined();
    expect(lookAtPicture(ofSize(5, 0))?.size).toBeUndefined();
  });

  test("is looked at in a view of a larger buffer", () => {
    const whole = ofSize(300, 200);
    const around = Buffer.concat([Buffer.alloc(7), whole, Buffer.alloc(9)]);
    expect(lookAtPicture(new Uint8Array(around.buffer, around.byteOffset + 7, whole.length))?.size).toBeDefined();
  });

  test("never stops the look with an error, whatever is in it", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(80), (bytes, at) => {
        const data = Buffer.from(ofSize(300, 200));
        data.set(bytes.subarray(0, Math.max(0, data.length - at)), Math.min(at, data.length));
        lookAtPicture(data);
      }),
    );
  });
});

test("a picture of a GIF that is larger than its screen counts", () => {
  expect(lookAtPicture(gif(1, 1, { width: 9_000, height: 8_000 }))?.size).toEqual({ width: 9_000, height: 8_000 });
});

test("what is no picture has no type", () => {
  for (const text of ["", "hello", "<svg/>", "\x89PNG", "RIFF1234WAVE", "%PDF-1.7"]) {
    expect(lookAtPicture(Buffer.from(text, "latin1"))).toBeUndefined();
  }
});

test.each<[string, (bytes: number) => Buffer]>([
  ["empty chunks of a PNG", (bytes) => Buffer.concat([png(9, 9).subarray(0, 33), Buffer.alloc(bytes)])],
  [
    "empty segments of a JPEG",
    (bytes) => Buffer.concat([Buffer.from([0xff, 0xd8]), Buffer.alloc(bytes, Buffer.from([0xff, 0xe0, 0, 2]))]),
  ],
  ["fill of a JPEG", (bytes) => Buffer.concat([Buffer.from([0xff, 0xd8]), Buffer.alloc(bytes, 0xff)])],
  ["blocks of one byte of a GIF", (bytes) => Buffer.concat([gif(9, 9).subarray(0, 38), Buffer.alloc(bytes, 1)])],
  ["empty chunks of a WebP", (bytes) => Buffer.concat([webp(9, 9).subarray(0, 12), Buffer.alloc(bytes)])],
])("ten times as many %s cost no more to look at", (_what, ofBytes) => {
  const [once, tenTimes] = [ofBytes(1024 * 1024), ofBytes(10 * 1024 * 1024)];
  expect(
    costGrowth(
      () => void lookAtPicture(once),
      () => void lookAtPicture(tenTimes),
    ),
  ).toBeLessThan(3);
});

test("a PDF begins within its first kilobyte", () => {
  expect(isPdf(Buffer.from("%PDF-1.7"))).toBe(true);
  expect(isPdf(Buffer.from(`${" ".repeat(1_000)}%PDF-1.7`))).toBe(true);
  expect(isPdf(Buffer.from(`${" ".repeat(1_100)}%PDF-1.7`))).toBe(false);
});
