/** Floods of HTTP/2 frames: the connection ends or is throttled, and nobody else notices. */
import { connect as connectTcp, type Socket } from "node:net";
import { expect } from "vitest";
import { type AttackGroup, onBothPorts, type Port } from "../attack.ts";
import type { Lab } from "../lab.ts";

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

const settings = frame(4, 0, 0);
/** A literal header without indexing, its name and value plain. */
const literal = (name: string, value: string) =>
  Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]);
const requestHeaders = Buffer.concat([
  literal(":method", "POST"),
  literal(":scheme", "http"),
  literal(":path", "/grpc.health.v1.Health/Check"),
  literal(":authority", "localhost"),
  literal("content-type", "application/grpc"),
  literal("te", "trailers"),
]);
const cancel = Buffer.from([0, 0, 0, 8]);
const repeat = (count: number, make: (at: number) => Buffer) =>
  Buffer.concat(Array.from({ length: count }, (_, at) => make(at)));

const floods: readonly (readonly [tries: string, bytes: Buffer])[] = [
  [
    "20,000 requests, each cancelled at once (rapid reset)",
    repeat(20_000, (at) => Buffer.concat([frame(1, 4, 2 * at + 1, requestHeaders), frame(3, 0, 2 * at + 1, cancel)])),
  ],
  ["50,000 SETTINGS", repeat(50_000, () => settings)],
  ["50,000 PINGs", repeat(50_000, () => frame(6, 0, 0, Buffer.alloc(8)))],
  [
    "20,000 CONTINUATION frames without an end",
    Buffer.concat([frame(1, 0, 1, requestHeaders), repeat(20_000, () => frame(9, 0, 1, literal("x-a", "b")))]),
  ],
  ["50,000 empty DATA frames", Buffer.concat([frame(1, 4, 1, requestHeaders), repeat(50_000, () => frame(0, 0, 1))])],
  ["20,000 window updates of 0 bytes", repeat(20_000, () => frame(8, 0, 0, Buffer.alloc(4)))],
  ["a frame larger than agreed", frame(0, 0, 1, Buffer.alloc(1 << 20))],
  ["random bytes after the preface", Buffer.alloc(65_536, 0xa5)],
];

export const http2Floods: AttackGroup = {
  title: "HTTP/2",
  file: "http2.ts",
  attacks: floods.flatMap(([tries, bytes]) =>
    onBothPorts((port) => ({
      tries,
      expects: "ends that connection or is discarded; others are not affected",
      async run(lab) {
        const socket = await flood(lab, port, Buffer.concat([preface, settings, bytes]));
        await lab.isWell(); // while the flood's connection is still there, if it is
        socket.destroy();
      },
    })),
  ),
};

/** Sends it, and gives the connection when all was taken or the server has closed. */
async function flood(lab: Lab, port: Port, bytes: Buffer): Promise<Socket> {
  const socket = connectTcp(lab.port(port), "127.0.0.1");
  socket.on("error", () => undefined);
  socket.resume();
  await new Promise<void>((resolve) => {
    socket.once("close", () => resolve());
    socket.write(bytes, () => resolve());
  });
  expect(socket.bytesWritten).toBeGreaterThan(0);
  return socket;
}
