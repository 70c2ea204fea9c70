/**
 * Whether bytes are the picture or document that they claim to be, and no larger than a worker may decode.
 *
 * Claude Code silently puts "[Image could not be processed…]" in the place of a picture that it cannot decode, corrects a
 * wrong media type, and decodes a picture of any size before it makes it smaller; here the caller hears of it instead.
 */
import { lookAtPicture } from "./pictures.ts";

/** The pixels of all pictures of a request together, as a multiple of what one may have. */
export const pixelsOfAllFactor = 10;

export interface CheckedPicture {
  readonly pixelCount: number;
  /** What is wrong, in words for the caller; `undefined` when nothing is. */
  readonly problem: string | undefined;
}

/** Looks at a picture. `maxPixels` is the most that it may have. */
export function checkPicture(mediaType: string, data: Uint8Array, maxPixels: number): CheckedPicture {
  const seen = lookAtPicture(data);
  if (seen === undefined) return { pixelCount: 0, problem: "is not a PNG, JPEG, GIF or WebP picture" };
  if (seen.mediaType !== mediaType) return { pixelCount: 0, problem: `is ${seen.mediaType}, not ${mediaType}` };
  if (seen.size === undefined) {
    return {
      pixelCount: 0,
      problem: `is not a complete picture: ${mediaType} by its first bytes, but broken or cut off after them`,
    };
  }
  const { width, height } = seen.size;
  const pixelCount = width * height;
  const problem =
    pixelCount > maxPixels
      ? `must have at most ${maxPixels} pixels; it has ${width} × ${height} = ${pixelCount}: make it smaller`
      : undefined;
  return { pixelCount, problem };
}

/** Whether the data begins as a PDF file does; some begin with up to a kilobyte of something else. */
export function isPdf(data: Uint8Array): boolean {
  return Buffer.from(data.buffer, data.byteOffset, Math.min(data.length, 1024)).includes("%PDF-");
}
