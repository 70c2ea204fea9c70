/**
 * Width and height of a picture out of its headers, and whether the file goes on to its end; nothing is decoded.
 *
 * Follows the lengths that the file itself gives, so that a look costs next to nothing whatever the size, and gives up
 * where a file is made of more parts than any encoder writes. Of an animation the first picture counts: Claude Code
 * decodes no other (measured).
 */

export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

/** The parts of a file that are looked at; 10 MiB in pieces of 1 KiB. */
const maxPartCount = 10_240;

type Look = (data: Buffer) => PictureSize | undefined;

interface Format {
  readonly mediaType: string;
  readonly matches: (data: Buffer) => boolean;
  /** The size; `undefined` when it cannot be read, or the file ends before its picture does. */
  readonly size: Look;
}

const formats: readonly Format[] = [
  { mediaType: "image/png", matches: (data) => starts(data, 0, "\x89PNG\r\n\x1a\n"), size: pngSize },
  { mediaType: "image/jpeg", matches: (data) => starts(data, 0, "\xff\xd8\xff"), size: jpegSize },
  { mediaType: "image/gif", matches: (data) => starts(data, 0, "GIF8"), size: gifSize },
  { mediaType: "image/webp", matches: (data) => starts(data, 0, "RIFF") && starts(data, 8, "WEBP"), size: webpSize },
];

export interface SeenPicture {
  readonly mediaType: string;
  /** `undefined` when it cannot be read: the file is broken or cut off. */
  readonly size: PictureSize | undefined;
}

/** What the bytes are; `undefined` when they are none of the supported pictures. */
export function lookAtPicture(bytes: Uint8Array): SeenPicture | undefined {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const format = formats.find(({ matches }) => matches(data));
  if (format === undefined) return undefined;
  const size = format.size(data);
  return {
    mediaType: format.mediaType,
    size: size !== undefined && size.width > 0 && size.height > 0 ? size : undefined,
  };
}

function starts(data: Buffer, at: number, text: string): boolean {
  return data.length >= at + text.length && data.toString("latin1", at, at + text.length) === text;
}

/** Chunks of a length, a name, the data and a checksum: IHDR first, IDAT somewhere, IEND last. */
function pngSize(data: Buffer): PictureSize | undefined {
  if (data.length < 33 || data.readUInt32BE(8) !== 13 || !starts(data, 12, "IHDR")) return undefined;
  const size = { width: data.readUInt32BE(16), height: data.readUInt32BE(20) };
  let hasData = false;
  let at = 8;
  for (let part = 0; part < maxPartCount && at + 12 <= data.length; part++) {
    if (starts(data, at + 4, "IEND")) return hasData ? size : undefined;
    hasData ||= starts(data, at + 4, "IDAT");
    at += 12 + data.readUInt32BE(at);
  }
  return undefined;
}

/** Segments of a marker and a length up to the scan; in the scan no marker of the end occurs but the end. */
function jpegSize(data: Buffer): PictureSize | undefined {
  let size: PictureSize | undefined;
  let at = 2;
  for (let part = 0; part < maxPartCount && at + 4 <= data.length; part++) {
    if (data[at] !== 0xff) return undefined;
    const marker = data[at + 1]!;
    if (marker === 0xff)
      at += 1; // fill
    else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7))
      at += 2; // stands alone
    else {
      const length = data.readUInt16BE(at + 2);
      if (length < 2) return undefined;
      if (marker === 0xda)
        return data.lastIndexOf("\xff\xd9", undefined, "latin1") >= at + 2 + length ? size : undefined;
      if (isFrame(marker)) {
        if (length < 8 || at + 9 > data.length) return undefined;
        size = { height: data.readUInt16BE(at + 5), width: data.readUInt16BE(at + 7) };
      }
      at += 2 + length;
    }
  }
  return undefined;
}

/** SOF0 to SOF15; three numbers between them are for tables. */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

/** A screen, then blocks; the first picture may be larger than the screen, and has to be there whole. */
function gifSize(data: Buffer): PictureSize | undefined {
  if (data.length < 13 || !/^GIF8[79]a$/.test(data.toString("latin1", 0, 6))) return undefined;
  const screen = { width: data.readUInt16LE(6), height: data.readUInt16LE(8) };
  const colours = (flags: number) => (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0);
  let at = 13 + colours(data[10]!);
  for (let part = 0; part < maxPartCount && at < data.length; part++) {
    const kind = data[at];
    if (kind === 0x21) {
      const end = endOfBlocks(data, at + 2);
      if (end === undefined) return undefined;
      at = end;
    } else if (kind === 0x2c) {
      if (at + 11 > data.length) return undefined;
      const width = Math.max(screen.width, data.readUInt16LE(at + 1) + data.readUInt16LE(at + 5));
      const height = Math.max(screen.height, data.readUInt16LE(at + 3) + data.readUInt16LE(at + 7));
      return endOfBlocks(data, at + 11 + colours(data[at + 9]!)) === undefined ? undefined : { width, height };
    } else return undefined;
  }
  return undefined;
}

/** Where a row of blocks of up to 255 bytes ends; `undefined` when the file does before. */
function endOfBlocks(data: Buffer, from: number): number | undefined {
  let at = from;
  for (let part = 0; part < 8 * maxPartCount && at < data.length; part++) {
    const length = data[at]!;
    at += 1 + length;
    if (length === 0) return at;
  }
  return undefined;
}

/** Chunks in one of RIFF. The canvas, and each picture up to the first, counts. */
function webpSize(data: Buffer): PictureSize | undefined {
  if (data.length < 12 || data.readUInt32LE(4) + 8 > data.length) return undefined;
  let canvas: PictureSize = { width: 0, height: 0 };
  let at = 12;
  for (let part = 0; part < maxPartCount && at + 8 <= data.length; part++) {
    const name = data.toString("latin1", at, at + 4);
    const length = data.readUInt32LE(at + 4);
    const from = at + 8;
    at = from + length + (length % 2);
    if (from + length > data.length) return undefined;
    let size: PictureSize | undefined;
    if (name === "VP8X" && length >= 10) {
      canvas = { width: data.readUIntLE(from + 4, 3) + 1, height: data.readUIntLE(from + 7, 3) + 1 };
    } else if (name === "ANMF" && length >= 16) {
      size = { width: data.readUIntLE(from + 6, 3) + 1, height: data.readUIntLE(from + 9, 3) + 1 };
    } else if (name === "VP8 " && length >= 10 && starts(data, from + 3, "\x9d\x01\x2a")) {
      size = { width: data.readUInt16LE(from + 6) & 0x3fff, height: data.readUInt16LE(from + 8) & 0x3fff };
    } else if (name === "VP8L" && length >= 5 && data[from] === 0x2f) {
      const bits = data.readUInt32LE(from + 1);
      size = { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
    } else if (name === "VP8 " || name === "VP8L" || name === "ANMF" || name === "VP8X") return undefined;
    if (size !== undefined) {
      return { width: Math.max(size.width, canvas.width), height: Math.max(size.height, canvas.height) };
    }
  }
  return undefined;
}
