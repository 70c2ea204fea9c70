import { createRegistry, type DescMethod, type Message } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { PoolService } from "../../../gen/claude/runner/v1/pool_pb.ts";
import { type ChatRequest, ClaudeRunner } from "../../../gen/claude/runner/v1/runner_pb.ts";
import { SessionService } from "../../../gen/claude/runner/v1/session_pb.ts";
import { TurnService } from "../../../gen/claude/runner/v1/turn_pb.ts";
import { Health } from "../../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import { systemClock } from "../../../src/clock.ts";
import { settingsSchema } from "../../../src/config/settings.ts";
import { isRunnerError } from "../../../src/runner-error.ts";
import { contentRequest } from "../../../src/server/decoding/bounds.ts";
import { readJson } from "../../../src/server/decoding/json.ts";
import { maxJsonBytesOnLoop } from "../../../src/server/decoding/json-threads.ts";
import { RequestDecoder } from "../../../src/server/decoding/request-decoder.ts";
import { toConnectError } from "../../../src/service/errors.ts";
import { toTurn } from "../../../src/service/in/requests.ts";
import { checkRules, invalidRequest } from "../../../src/service/in/rules.ts";
import { hostileJson, hostileShapes } from "./hostile-messages.ts";

const services = [ClaudeRunner, SessionService, TurnService, PoolService, Health, ServerReflection];
const methods = services.flatMap(({ methods: all }) => all as readonly DescMethod[]);
const { profiles, store: expiry } = settingsSchema.parse({});
const caller = { tenant: "acme", profiles: ["*"], isOperator: false };
const decoder = new RequestDecoder({
  services: services.map((service) => ({
    service,
    handlers: {},
    isOpen: true,
    contentMethods: [],
    isEndedAtDrain: false,
  })),
  maxRequestBytes: 32 * 1024 * 1024,
  allowUnknownJsonFields: false,
  clock: systemClock,
});
// The bounds of a turn for all of them: what a small request costs is looked at with large ones.
const bounds = contentRequest(32 * 1024 * 1024);
const registry = createRegistry(...services.map(({ file }) => file));

/** Everything that happens to a request on the event loop before it is a turn or refused, the refusal included. */
function take({ input }: DescMethod, read: () => Message): void {
  try {
    const message = read();
    if (/Chat/.test(message.$typeName)) toTurn(message as ChatRequest, caller, { profiles, expiry });
    else checkRules(input, message);
  } catch (error) {
    if (!isRunnerError(error)) throw error;
    toConnectError(error);
  }
}

const binary = (method: DescMethod, bytes: Uint8Array) => () => {
  take(method, () => decoder.binary({ input: method.input } as DescMethod, bytes, bounds));
};
const json = (method: DescMethod, text: string) => {
  const bytes = Buffer.from(text);
  return () =>
    take(method, () => {
      const result = readJson(method.input, bytes, bounds, { allowUnknownFields: false, registry, maxViolations: 100 });
      if ("violations" in result) throw invalidRequest(result.violations);
      return result.message;
    });
};

/** The least CPU time of several rounds: what else the process does, such as collecting garbage, hardly matters then. */
function cpuCostMs(work: () => void, rounds: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1000);
  }
  return least;
}

const mib = 1024 * 1024;

/** What this machine takes, now, to look at one byte in JavaScript: the yardstick. */
const sample = Buffer.alloc(16 * 1024 * 1024, 1);
function msPerMib(): number {
  const cost = cpuCostMs(() => {
    let sum = 0;
    for (let at = 0; at < sample.length; at++) sum += sample[at]!;
    if (sum !== sample.length) throw new Error("bug");
  }, 3);
  return cost / 16;
}

/**
 * The bound that the documents state, in milliseconds of a machine that looks at a MiB in one: a fixed part, one for each
 * MiB, and one for each MiB that can be text.
 */
function allowed(sizeBytes: number): number {
  const sizeMib = sizeBytes / mib;
  return 20 + 5 * sizeMib + 25 * Math.min(sizeMib, bounds.maxTextBytes / mib);
}

/** The first runs have cold code, and others use the machine: what is over is measured again before it is said. */
function costWithin(allowedMs: number, work: () => void): number {
  let costMs = Number.POSITIVE_INFINITY;
  for (const rounds of [1, 3, 6, 12]) if (costMs > allowedMs) costMs = Math.min(costMs, cpuCostMs(work, rounds));
  return costMs;
}

describe.each(methods.map((method) => [`${method.parent.typeName}.${method.name}`, method] as const))(
  "a request of %s",
  (_, method) => {
    it("costs at most a fixed amount and a share for each byte, however it is made", { timeout: 60_000 }, () => {
      const yard = msPerMib();
      const tooMuch: string[] = [];
      for (const { name, make } of hostileShapes(method.input)) {
        for (const sizeMib of [1 / 32, 4]) {
          const bytes = make(sizeMib * mib);
          const allowedMs = yard * allowed(bytes.length);
          const costMs = costWithin(allowedMs, binary(method, bytes));
          if (costMs > allowedMs)
            tooMuch.push(`${name}, ${bytes.length} bytes: ${costMs.toFixed(1)} of ${allowedMs.toFixed(1)} ms`);
        }
      }
      expect(tooMuch).toEqual([]);
    });

    it("costs no more than that in JSON, as far as the event loop reads it", { timeout: 60_000 }, () => {
      const yard = msPerMib();
      const tooMuch: string[] = [];
      for (const { name, make } of hostileJson(method.input)) {
        for (const sizeBytes of [16 * 1024, maxJsonBytesOnLoop - 1024]) {
          const text = make(sizeBytes);
          const allowedMs = yard * allowed(text.length);
          const costMs = costWithin(allowedMs, json(method, text));
          if (costMs > allowedMs)
            tooMuch.push(`${name}, ${text.length} bytes: ${costMs.toFixed(1)} of ${allowedMs.toFixed(1)} ms`);
        }
      }
      expect(tooMuch).toEqual([]);
    });
  },
);

it("a bound that nothing meets would be noticed: work that grows with the square is over it", () => {
  const yard = msPerMib();
  const words = Array.from({ length: 20_000 }, (_, at) => String(at));
  const costMs = cpuCostMs(() => words.every((word) => words.indexOf(word) >= 0), 1);
  expect(costMs).toBeGreaterThan(yard * allowed(words.join("").length));
});
