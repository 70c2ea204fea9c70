/**
 * Small requests that would cost much: before a token is known, and with one. That the cost of any request grows no faster
 * than its size is proven elsewhere; here are the known shapes, and a server that goes on answering.
 */
import { gzipSync } from "node:zlib";
import { expect } from "vitest";
import { grpcFrame } from "../../e2e/raw-calls.ts";
import { type AttackGroup, onBothPorts } from "../attack.ts";
import { bearer, type Lab, paths, refused, tokens } from "../lab.ts";
import { type HeaderLine, http1, http2, type WireAnswer } from "../wire.ts";

/** `count` unknown fields of two bytes. */
const unknownFields = (count: number) => Buffer.alloc(2 * count, Buffer.from([0x10, 0x00]));
const gzip: readonly HeaderLine[] = [["grpc-encoding", "gzip"]];

/**
 * The CPU time that a request took on this process, in milliseconds: server and sender, so a bound on both. A refusal
 * takes a few; the attacks took seconds.
 */
async function cpuMs(run: () => Promise<WireAnswer>): Promise<{ readonly answer: WireAnswer; readonly cpuMs: number }> {
  const before = process.cpuUsage();
  const answer = await run();
  const { user, system } = process.cpuUsage(before);
  return { answer, cpuMs: (user + system) / 1_000 };
}

/** What this machine takes to copy and add up 256 MB: the yardstick that a refusal is held against. */
function yardstickMs(): number {
  const before = process.cpuUsage();
  const block = Buffer.alloc(16 * 1024 * 1024, 1);
  let sum = 0;
  for (let round = 0; round < 16; round++) {
    const copy = Buffer.from(block);
    for (let at = 0; at < copy.length; at += 16) sum += copy[at]!;
  }
  const { user, system } = process.cpuUsage(before);
  expect(sum).toBeGreaterThan(0);
  return (user + system) / 1_000;
}

async function refusedCheaply(run: () => Promise<WireAnswer>): Promise<void> {
  const { answer, cpuMs: spentMs } = await cpuMs(run);
  expect(refused(answer), answer.all.slice(0, 500)).toBe(true);
  expect(spentMs).toBeLessThan(20 * yardstickMs() + 500);
}

const chat = (body: unknown) => (lab: Lab) => lab.json(JSON.stringify(body));
const fill = <T>(count: number, value: T) => Array.from({ length: count }, () => value);

const costly: readonly (readonly [tries: string, send: (lab: Lab) => Promise<WireAnswer>])[] = [
  ["3,000 empty blocks as JSON", chat({ content: fill(3_000, {}) })],
  ["500,000 empty blocks as JSON", chat({ content: fill(500_000, {}) })],
  ["200,000 empty messages of history as JSON", chat({ prompt: "x", history: fill(200_000, {}) })],
  [
    "100,000 labels",
    chat({ prompt: "x", labels: Object.fromEntries(fill(100_000, 0).map((_, at) => [`k${at}`, "x"])) }),
  ],
  [
    "a schema whose 200 properties are referred to 1,500 times",
    (lab) => {
      const big = {
        type: "object",
        properties: Object.fromEntries(fill(200, 0).map((_, at) => [`p${at}`, { type: "string" }])),
      };
      const schema = { type: "object", $defs: { big }, allOf: fill(1_500, { $ref: "#/$defs/big" }), prefixItems: [] };
      return lab.json(JSON.stringify({ prompt: "x", outputSchemaJson: JSON.stringify(schema) }));
    },
  ],
  [
    "a schema that is 5,000 levels deep",
    (lab) => {
      const schema = `${'{"not":'.repeat(5_000)}{}${"}".repeat(5_000)}`;
      return lab.json(JSON.stringify({ prompt: "x", outputSchemaJson: `{"type":"object","not":${schema}}` }));
    },
  ],
];

export const cost: AttackGroup = {
  title: "Small requests, much work",
  file: "cost.ts",
  attacks: [
    ...onBothPorts((port) => ({
      tries: "1,000,000 unknown fields to Health.Check, without a token",
      expects: "is refused at almost no cost",
      run: (lab) => refusedCheaply(() => lab.grpc(port, paths.health, grpcFrame(unknownFields(1_000_000)), [])),
    })),
    ...onBothPorts((port) => ({
      tries: "a gzipped Health.Check of 31 KB that expands to 32 MB, without a token",
      expects: "is refused at almost no cost",
      async run(lab) {
        const packed = gzipSync(unknownFields(16_000_000));
        await refusedCheaply(() => lab.grpc(port, paths.health, grpcFrame(packed, { flags: 1 }), gzip));
      },
    })),
    ...onBothPorts((port) => ({
      tries: "three such Health.Watch, without a token",
      expects: "are refused, and hold no memory",
      async run(lab) {
        const packed = gzipSync(unknownFields(16_000_000));
        const answers = await Promise.all(
          fill(3, 0).map(() => lab.grpc(port, paths.watchHealth, grpcFrame(packed, { flags: 1 }), gzip)),
        );
        for (const answer of answers) expect(refused(answer), answer.all).toBe(true);
      },
    })),
    ...onBothPorts((port) => ({
      tries: "1,000,000 empty messages of history in 2 MB of protobuf",
      expects: "is refused at almost no cost",
      async run(lab) {
        const { StreamChatRequestSchema } = await import("../../../gen/claude/runner/v1/runner_pb.ts");
        const tag = (StreamChatRequestSchema.field.history.number << 3) | 2;
        const body = Buffer.alloc(2_000_000, Buffer.from([tag, 0]));
        await refusedCheaply(() => lab.grpc(port, paths.streamChat, grpcFrame(body)));
      },
    })),
    {
      tries: "12 MB of JSON with unknown members to Health.Check, without a token",
      expects: "is refused at almost no cost",
      async run(lab) {
        const body = `{"service":"","x":[${fill(4_000_000, "{}").join(",")}]}`;
        await refusedCheaply(() =>
          http1({ port: lab.port("web"), path: paths.health, headers: [["Content-Type", "application/json"]], body }),
        );
      },
    },
    {
      tries: "a body of 1 MB without a token to Chat",
      expects: "is refused before it is read",
      run: (lab) =>
        refusedCheaply(() =>
          http2({
            port: lab.port("web"),
            path: paths.chat,
            headers: [["content-type", "application/json"]],
            body: JSON.stringify({ prompt: "x".repeat(1_000_000) }),
          }),
        ),
    },
    ...costly.map(([tries, send]) => ({
      tries,
      expects: "is refused at almost no cost",
      run: (lab: Lab) => refusedCheaply(() => send(lab)),
    })),
    {
      tries: "a broken request with 100 rules violated at once",
      expects: "names some and counts the rest, in 4 KiB of details",
      async run(lab) {
        const answer = await lab.grpc("grpc", paths.streamChat, grpcFrame(Buffer.alloc(200, Buffer.from([0x1a, 0]))), [
          bearer(tokens.acme),
        ]);
        expect(answer.grpcStatus).toBe(3);
        expect((answer.headers.get("grpc-status-details-bin") ?? "").length).toBeLessThan(8_192);
      },
    },
  ],
};
