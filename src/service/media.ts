/**
 * Whether bytes are the picture or document that they claim to be.
 *
 * Claude Code silently puts "[Image could not be processed…]" in the place of a picture that it cannot decode, and
 * corrects a wrong media type; here both are told to the caller instead.
 */

const signatures: readonly { readonly mediaType: string; readonly matches: (data: Uint8Array) => boolean }[] = [
  { mediaType: "image/png", matches: (data) => starts(data, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]) },
  { mediaType: "image/jpeg", matches: (data) => starts(data, [0xff, 0xd8, 0xff]) },
  { mediaType: "image/gif", matches: (data) => starts(data, [0x47, 0x49, 0x46, 0x38]) },
  {
    mediaType: "image/webp",
    matches: (data) => starts(data, [0x52, 0x49, 0x46, 0x46]) && starts(data.subarray(8), [0x57, 0x45, 0x42, 0x50]),
  },
];

function starts(data: Uint8Array, bytes: readonly number[]): boolean {
  return data.length >= bytes.length && bytes.every((byte, at) => data[at] === byte);
}

/** The media type that the first bytes show; `undefined` when they are none of the supported pictures. */
export function pictureType(data: Uint8Array): string | undefined {
  return signatures.find(({ matches }) => matches(data))?.mediaType;
}

/** Whether the data begins as a PDF file does; some begin with up to a kilobyte of something else. */
export function isPdf(data: Uint8Array): boolean {
  return Buffer.from(data.buffer, data.byteOffset, Math.min(data.length, 1024)).includes("%PDF-");
}
