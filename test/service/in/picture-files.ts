/** The smallest files of each kind of picture that say how large they are; what they show is nothing. */

const big = (value: number, bytes: number) => {
  const data = Buffer.alloc(bytes);
  data.writeUIntBE(value, 0, bytes);
  return data;
};
const little = (value: number, bytes: number) => {
  const data = Buffer.alloc(bytes);
  data.writeUIntLE(value, 0, bytes);
  return data;
};
const text = (latin1: string) => Buffer.from(latin1, "latin1");

function chunk(name: string, data: Buffer = Buffer.alloc(0)): Buffer {
  return Buffer.concat([big(data.length, 4), text(name), data, Buffer.alloc(4)]);
}

export function png(width: number, height: number): Buffer {
  const header = Buffer.concat([big(width, 4), big(height, 4), Buffer.from([8, 6, 0, 0, 0])]);
  const parts = [
    chunk("IHDR", header),
    chunk("tEXt", Buffer.alloc(40)),
    chunk("IDAT", Buffer.alloc(20)),
    chunk("IEND"),
  ];
  return Buffer.concat([text("\x89PNG\r\n\x1a\n"), ...parts]);
}

export function jpeg(width: number, height: number, frame = 0xc2): Buffer {
  const segment = (marker: number, data: Buffer) =>
    Buffer.concat([big(0xff00 + marker, 2), big(data.length + 2, 2), data]);
  const size = Buffer.concat([Buffer.from([8]), big(height, 2), big(width, 2), Buffer.from([1, 1, 0x11, 0])]);
  return Buffer.concat([
    big(0xffd8, 2),
    // A preview with an end of its own, as cameras write it.
    segment(0xe1, Buffer.concat([text("Exif\0\0"), big(0xffd8, 2), Buffer.alloc(30), big(0xffd9, 2)])),
    segment(0xc4, Buffer.alloc(20)),
    big(0xff, 1), // fill
    segment(frame, size),
    segment(0xda, Buffer.alloc(6)),
    Buffer.alloc(50, 1),
    big(0xffd9, 2),
    text("what a phone adds behind it"),
  ]);
}

export function gif(width: number, height: number, frame = { width, height }): Buffer {
  return Buffer.concat([
    text("GIF89a"),
    little(width, 2),
    little(height, 2),
    Buffer.from([0x80, 0, 0, ...Buffer.alloc(6)]),
    Buffer.from([0x21, 0xf9, 4, 0, 0, 0, 0, 0]),
    Buffer.concat([Buffer.from([0x2c, 0, 0, 0, 0]), little(frame.width, 2), little(frame.height, 2), Buffer.from([0])]),
    Buffer.from([2, 2, 0x4c, 0x01, 0]),
    text(";"),
  ]);
}

export function webp(width: number, height: number, kind: "VP8 " | "VP8L" | "VP8X" = "VP8 "): Buffer {
  const riff = (name: string, data: Buffer) => Buffer.concat([text(name), little(data.length, 4), data]);
  const lossy = (w: number, h: number) =>
    riff("VP8 ", Buffer.concat([Buffer.alloc(3), text("\x9d\x01\x2a"), little(w, 2), little(h, 2), Buffer.alloc(2)]));
  const lossless = riff(
    "VP8L",
    Buffer.concat([text("\x2f"), little(width - 1 + (height - 1) * 2 ** 14, 4), Buffer.alloc(1)]),
  );
  const extended = Buffer.concat([
    riff("VP8X", Buffer.concat([Buffer.alloc(4), little(width - 1, 3), little(height - 1, 3)])),
    riff("ICCP", Buffer.alloc(4)),
    lossy(1, 1),
  ]);
  const body = Buffer.concat([text("WEBP"), { "VP8 ": lossy(width, height), VP8L: lossless, VP8X: extended }[kind]]);
  return Buffer.concat([text("RIFF"), little(body.length, 4), body]);
}
