/** gRPC frames and protobuf that lie about themselves, on both ports. */
import { randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import { expect } from "vitest";
import { grpcFrame } from "../../e2e/raw-calls.ts";
import { type AttackGroup, onBothPorts } from "../attack.ts";
import { bearer, paths, refused, tokens } from "../lab.ts";
import type { HeaderLine } from "../wire.ts";

const message = Buffer.from([0x12, 5, ...Buffer.from("hello")]); // prompt: "hello"
const gzip: readonly HeaderLine[] = [["grpc-encoding", "gzip"]];

/** `group` tags, one in the other. */
const nestedGroups = Buffer.concat([Buffer.alloc(200_000, 0x0b), Buffer.alloc(200_000, 0x0c)]);

const lies: readonly (readonly [tries: string, body: Buffer, headers?: readonly HeaderLine[]])[] = [
  ["a frame that announces more bytes than it has", grpcFrame(message, { length: message.length + 100 })],
  ["a frame of 4 GiB", grpcFrame(message, { length: 0xffff_ffff })],
  ["a frame without a message", Buffer.from([0, 0, 0])],
  ["two messages for one request", Buffer.concat([grpcFrame(message), grpcFrame(message)])],
  ["a compressed frame that is not gzip", grpcFrame(randomBytes(100), { flags: 1 }), gzip],
  ["an unknown compression", grpcFrame(message, { flags: 1 }), [["grpc-encoding", "middle-out"]]],
  [
    "two grpc-encoding headers",
    grpcFrame(gzipSync(message), { flags: 1 }),
    [
      ["grpc-encoding", "identity"],
      ["grpc-encoding", "br"],
    ],
  ],
  ["a number that is cut off", grpcFrame(Buffer.from([0x10, 0xff]))],
  ["field number 0", grpcFrame(Buffer.from([0x02, 1, 0x61]))],
  ["wire type 7", grpcFrame(Buffer.from([0x17, 1, 0x61]))],
  ["text that is not UTF-8", grpcFrame(Buffer.from([0x12, 2, 0xff, 0xfe]))],
  ["text in overlong UTF-8", grpcFrame(Buffer.from([0x12, 2, 0xc0, 0xaf]))],
  ["200,000 nested groups", grpcFrame(nestedGroups)],
];

export const framing: AttackGroup = {
  title: "gRPC frames and protobuf",
  file: "framing.ts",
  attacks: [
    ...lies.flatMap(([tries, body, headers = []]) =>
      onBothPorts((port) => ({
        tries,
        expects: "is refused",
        async run(lab) {
          const answer = await lab.grpc(port, paths.streamChat, body, [bearer(tokens.acme), ...headers]);
          expect(refused(answer), answer.all).toBe(true);
        },
      })),
    ),
    ...onBothPorts((port) => ({
      tries: "a label named __proto__, in binary",
      expects: "changes no object of the server",
      async run(lab) {
        const entry = Buffer.concat([Buffer.from([0x0a, 9]), Buffer.from("__proto__"), Buffer.from([0x12, 1, 0x78])]);
        // `labels` is found by its number in the contract, so that a new one fails here and not in silence.
        const { StreamChatRequestSchema } = await import("../../../gen/claude/runner/v1/runner_pb.ts");
        const number = StreamChatRequestSchema.field.labels.number;
        const tag = Buffer.from(varint((number << 3) | 2));
        await lab.grpc(
          port,
          paths.streamChat,
          grpcFrame(Buffer.concat([message, tag, Buffer.from([entry.length]), entry])),
        );
        expect(Object.getPrototypeOf({})).toBe(Object.prototype);
        expect(({} as Record<string, unknown>).x).toBeUndefined();
      },
    })),
  ],
};

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  return [...bytes, rest];
}
