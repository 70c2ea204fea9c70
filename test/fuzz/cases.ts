/**
 * The requests that the fuzzer fires: one after the other out of a seed, of every method, in every way that it can be
 * said, legal ones of the largest size among them.
 */
import { randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import { create, type DescMethod, type MessageInitShape, toBinary, toJsonString } from "@bufbuild/protobuf";
import { PoolService } from "../../gen/claude/runner/v1/pool_pb.ts";
import { ClaudeRunner, Role, StreamChatRequestSchema } from "../../gen/claude/runner/v1/runner_pb.ts";
import { SessionService } from "../../gen/claude/runner/v1/session_pb.ts";
import { TurnService } from "../../gen/claude/runner/v1/turn_pb.ts";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { hostileJson, hostileShapes } from "../server/decoding/hostile-messages.ts";

export interface FuzzCase {
  /** What it is, so that it can be made again. */
  readonly name: string;
  readonly port: "grpc" | "web";
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** In how large pieces it is sent. */
  readonly pieceBytes: number;
}

const mib = 1024 * 1024;
const methods = [ClaudeRunner, SessionService, TurnService, PoolService, Health, ServerReflection].flatMap(
  (service) => service.methods as readonly DescMethod[],
);
const protocols = ["grpc", "grpc-web", "connect", "json", "grpc on the web port"] as const;
type Protocol = (typeof protocols)[number];

/** A number from 0 to 1, the same for the same seed. */
export type Random = () => number;

export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const pick = <Item>(items: readonly Item[], random: Random): Item => items[Math.floor(random() * items.length)]!;

export function nextCase(random: Random): FuzzCase {
  const method = pick(methods, random);
  const isTurn = method.parent.typeName === ClaudeRunner.typeName && method.name !== "GetInfo";
  const protocol = pick(protocols, random);
  const isJson = protocol === "json";
  // Small sizes often, the largest ones as well.
  const sizeBytes = Math.round(2 ** (6 + random() * (isTurn ? 19 : 15)));
  const made = isTurn && random() < 0.3 ? legal(isJson, random) : hostile(method, isJson, sizeBytes, random);
  const isPacked = random() < 0.25;
  const message = isPacked ? gzipSync(made.message, { level: 1 }) : made.message;
  const pieceBytes = pick([1024, 16 * 1024, 256 * 1024, mib, 64 * mib], random);
  return {
    name: `${protocol} ${method.name}: ${made.name}, ${made.message.length} bytes${isPacked ? `, packed ${message.length}` : ""}, in pieces of ${pieceBytes}`,
    port: protocol === "grpc" ? "grpc" : "web",
    path: `/${method.parent.typeName}/${method.name}`,
    ...framed(protocol, method, message, isPacked),
    pieceBytes,
  };
}

interface Made {
  readonly name: string;
  readonly message: Buffer;
}

function hostile(method: DescMethod, isJson: boolean, sizeBytes: number, random: Random): Made {
  if (isJson) {
    const { name, make } = pick(hostileJson(method.input), random);
    return { name, message: Buffer.from(make(sizeBytes)) };
  }
  const { name, make } = pick(hostileShapes(method.input), random);
  return { name, message: Buffer.from(make(sizeBytes)) };
}

/** Turns that are as large as they may be. */
function legal(isJson: boolean, random: Random): Made {
  const filling = pick(["x", "ü", "😀", "\u0001", '"', " x"], random);
  const text = (bytes: number) => filling.repeat(Math.floor(bytes / Buffer.byteLength(filling)));
  const kind = pick(Object.keys(contents), random);
  const message = create(StreamChatRequestSchema, contents[kind]!(text, random, isJson));
  const bytes = isJson
    ? Buffer.from(toJsonString(StreamChatRequestSchema, message))
    : Buffer.from(toBinary(StreamChatRequestSchema, message));
  return { name: `legal ${kind} of ${JSON.stringify(filling)}`, message: bytes };
}

type Turn = MessageInitShape<typeof StreamChatRequestSchema>;

const gif = [0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 1, 0, 1, 0];

const contents: Readonly<Record<string, (text: (bytes: number) => string, random: Random, isJson: boolean) => Turn>> = {
  pdf: (_, random, isJson) => {
    const pdf = Buffer.concat([Buffer.from("%PDF-"), randomBytes(Math.floor((isJson ? 23 : 24) * mib * random()))]);
    return { content: [{ block: { case: "document", value: { source: { case: "pdf", value: pdf } } } }] };
  },
  pictures: (_, random) => {
    const data = Buffer.concat([Buffer.from(gif), randomBytes(Math.floor(7 * mib * random()))]);
    const picture = { block: { case: "image", value: { mediaType: "image/gif", data } } } as const;
    return { content: [picture, picture, picture] };
  },
  history: (text) => ({
    prompt: "x",
    history: Array.from({ length: 400 }, (_, at) => ({
      role: at % 2 === 0 ? Role.USER : Role.ASSISTANT,
      text: `x${text(10_000)}`,
    })),
  }),
  "long history": (text) => ({
    prompt: "x",
    history: [
      { role: Role.USER, text: `x${text(4 * mib - 1000)}` },
      { role: Role.ASSISTANT, text: "x" },
    ],
  }),
  prompt: (text) => ({ prompt: `x${text(mib - 1000)}` }),
};

function framed(
  protocol: Protocol,
  method: DescMethod,
  message: Buffer,
  isPacked: boolean,
): Pick<FuzzCase, "headers" | "body"> {
  const isUnary = method.methodKind === "unary";
  const format = protocol === "json" ? "json" : "proto";
  if (protocol === "json" || protocol === "connect") {
    const encoding = isUnary ? "content-encoding" : "connect-content-encoding";
    const headers = {
      "content-type": `application/${isUnary ? "" : "connect+"}${format}`,
      ...(isPacked && { [encoding]: "gzip" }),
    };
    return { headers, body: isUnary ? message : envelope(message, isPacked) };
  }
  const type = protocol === "grpc-web" ? "application/grpc-web" : "application/grpc";
  return {
    headers: { "content-type": type, te: "trailers", ...(isPacked && { "grpc-encoding": "gzip" }) },
    body: envelope(message, isPacked),
  };
}

function envelope(message: Buffer, isPacked: boolean): Buffer {
  const head = Buffer.from([isPacked ? 1 : 0, 0, 0, 0, 0]);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
