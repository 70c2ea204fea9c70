/**
 * Whatever the CLI writes, because of whatever the model API sent: it becomes events, a result and a row in the pool's
 * state that can be encoded, as bytes and as JSON.
 */
import { create, type DescMessage, fromBinary, type MessageInitShape, toBinary, toJson } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GetPoolResponseSchema } from "../../../gen/claude/runner/v1/pool_pb.ts";
import { ChatResponseSchema, StreamChatResponseSchema } from "../../../gen/claude/runner/v1/runner_pb.ts";
import { mapEnd, mapMessage } from "../../../src/cli/mapping/turn-mapper.ts";
import { parseLine } from "../../../src/cli/protocol/cli-messages.ts";
import { Charges } from "../../../src/cli/turn/charges.ts";
import { turnEnd } from "../../../src/cli/turn/end-of-turn.ts";
import { toResult } from "../../../src/service/out/result.ts";
import { toPoolState } from "../../../src/service/pool/pool-state.ts";
import type { TurnEvent } from "../../../src/turn-event.ts";
import type { RecentTurn } from "../../../src/turns/observers/recent-turns.ts";
import { captureNames, linesOf, newTurn } from "../../cli/captures.ts";
import { placesIn, replaceAt } from "../../cli/places.ts";
import { Encoded } from "./encoded.ts";

/** Throws when it cannot be sent, as bytes or as JSON that every program reads. */
function encode<Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc>): void {
  const message = create(schema, init);
  const bytes = toBinary(schema, message);
  expect(bytes.length).toBeLessThanOrEqual(1024 * 1024);
  // As clients do as a rule, it reads messages that are up to 100 deep.
  fromBinary(schema, bytes);
  // Halves of surrogate pairs are escaped, and nothing else is that begins so.
  expect(JSON.stringify(toJson(schema, message))).not.toMatch(/[^\\](\\\\)*\\ud/i);
}

/** Takes lines as those of one turn, and encodes all that a caller can get of them. */
function answer(lines: readonly string[]): void {
  const mapped = newTurn("full");
  const stream = new Encoded("full");
  const ledger = new Charges();
  for (const line of lines) {
    const message = parseLine(line);
    if (message === undefined) continue;
    const events: TurnEvent[] = [];
    mapMessage(mapped, message, events);
    if (message.kind === "result") mapEnd(mapped, events);
    for (const event of events) {
      for (const response of stream.responses({ ...event, raw: mapped.rawLine(message, line) }))
        encode(StreamChatResponseSchema, response);
    }
    const end = turnEnd({
      mapped,
      result: message.body,
      charge: ledger.book(message.body),
      cause: undefined,
      death: undefined,
      wantsStructuredOutput: false,
      wallNowMs: 0,
      isUsable: true,
    });
    const result = toResult(end, { times: {}, lastSequence: 1, fate: "reset" });
    for (const response of stream.own({ case: "result", value: result })) encode(StreamChatResponseSchema, response);
    encode(ChatResponseSchema, { text: end.text, result });
    encode(GetPoolResponseSchema, { pool: toPoolState(emptyPool, [recentTurn(end)], moment) });
  }
}

const moment = { nowMs: 1, wallMs: 1, startedAtMs: 0 };
const emptyPool = {
  isServing: true,
  isDraining: false,
  coversAllTenants: true,
  memoryBytes: 0,
  memoryBudgetBytes: 0,
  maxWaitingCount: 0,
  profiles: [],
  workers: [],
};

function recentTurn(end: ReturnType<typeof turnEnd>): RecentTurn {
  return {
    turnId: "t",
    profile: "p",
    model: "m",
    traceId: "",
    arrivedAtMs: 0,
    arrivedAtWallMs: 0,
    isRunning: false,
    outcome: end.outcome,
    errorReason: end.error?.reason,
    claimSource: undefined,
    workerId: undefined,
    times: {},
    apiMs: end.apiMs,
    usage: end.usage,
    costUsdMicros: end.costUsdMicros,
    costIsEstimate: false,
  };
}

/** Lines of the real CLI, one for each kind and shape. */
const lines = [
  ...new Map(
    captureNames
      .flatMap((name) => linesOf(name))
      .map((line) => [
        placesIn(JSON.parse(line))
          .map(({ name }) => name)
          .join(),
        line,
      ]),
  ).values(),
];

const oddNumbers: readonly unknown[] = [
  5.25,
  0.5,
  -7,
  3_000_000_000,
  2 ** 53 + 2,
  1e19,
  1e20,
  1e308,
  -1e308,
  -0,
  null,
  "10",
  [1],
  { a: 1 },
  true,
];

const oddTexts: readonly string[] = ["\ud83d", "\ude00", "a\u0000b", "😀".repeat(70_000), "__proto__", "constructor"];

describe("whatever the CLI writes", () => {
  it("no number ends a turn with INTERNAL or breaks the pool's state", () => {
    const seen = new Set<string>();
    for (const line of lines) {
      const value: unknown = JSON.parse(line);
      const kind = parseLine(line)!.name;
      for (const { name, path, leaf } of placesIn(value)) {
        if (typeof leaf !== "number" || seen.has(`${kind} ${name}`)) continue;
        seen.add(`${kind} ${name}`);
        for (const odd of oddNumbers) answer([JSON.stringify(replaceAt(value, path, odd))]);
      }
    }
    expect(seen.size).toBeGreaterThan(150);
  });

  it("no JSON in any place does", () => {
    const odd = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom(...oddNumbers),
      fc.constantFrom<unknown>(...oddTexts),
      fc.constant(JSON.parse('{"__proto__":{"a":1},"constructor":null,"x":[{"__proto__":2}]}') as unknown),
    );
    const change = fc.record({ at: fc.nat(lines.length - 1), path: fc.array(fc.nat(30), { maxLength: 7 }), odd });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 10 }), (changes) => {
        answer(changes.map(({ at, path, odd }) => JSON.stringify(replaceAt(JSON.parse(lines[at]!), path, odd))));
      }),
      { numRuns: 200 },
    );
  });

  it("no depth does", () => {
    const depth = 6_000;
    const deep = `${'{"a":['.repeat(depth)}1${"]}".repeat(depth)}`;
    const marked = '"in the place of something deep"';
    const seen = new Set<string>();
    for (const line of lines) {
      const value: unknown = JSON.parse(line);
      const kind = parseLine(line)!.name;
      for (const { name, path } of placesIn(value)) {
        if (seen.has(`${kind} ${name}`)) continue;
        seen.add(`${kind} ${name}`);
        answer([JSON.stringify(replaceAt(value, path, JSON.parse(marked))).replace(marked, deep)]);
      }
    }
  }, 60_000);

  it("numbers beyond what JSON.parse can hold do not either", () => {
    for (const line of lines) {
      for (const odd of ["1e400", "-1e400", "123456789012345678901234567890"]) {
        answer([line.replaceAll(/(?<=":)-?\d+(\.\d+)?(?=[,}])/g, odd)]);
      }
    }
  });
});
