/**
 * How soon AttachTurn says something about a turn that runs: the time to its first byte against the round trip of GetInfo,
 * on the same connection, over both ports and without a client library.
 *
 *     npm run bench -- --only kept-turns/attach
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ClaudeRunner, OnDisconnect } from "../../../gen/claude/runner/v1/runner_pb.ts";
import { TurnService, TurnState } from "../../../gen/claude/runner/v1/turn_pb.ts";
import { clientsOf } from "../../proofs/crash-load.ts";
import { seededRandom } from "../../random.ts";
import { RawCalls } from "../../raw-calls.ts";
import { defineScenario, figure } from "../../scenario.ts";
import { BenchServer } from "../../server.ts";
import { ratios } from "../../stats.ts";
import { type Measured, roundsOf, type Side, takeTurns } from "../../take-turns.ts";
import { withinLimit } from "../../time-limit.ts";
import type { ServerTarget } from "../../turn-client.ts";
import { atMostTimes } from "../../verdicts.ts";

interface Parameters {
  readonly rounds: number;
  readonly samplesPerRound: number;
  readonly limitSeconds: number;
}

const fakeCli = fileURLToPath(new URL("../../../test/fakes/claude", import.meta.url));
/** A turn that is not over before the last sample. */
const prompt = '[[fake answer {"flood":{"deltas":10000000,"chars":40},"perSecond":20}]]';
/** In which the server has seen that the last reader is gone. */
const pauseMs = 5;
const mostTrips = 2;

const ports = [
  { name: "gRPC port", protocol: "grpc", portOf: ({ grpcPort }: ServerTarget) => grpcPort },
  { name: "web port, Connect", protocol: "connect", portOf: ({ webPort }: ServerTarget) => webPort },
] as const;

const infoOf = (port: string) => `GetInfo, ${port}`;
const attachOf = (port: string) => `AttachTurn to its first byte, ${port}`;

export const attach = defineScenario<Parameters>({
  name: "kept-turns/attach",
  about: "Proof: the first byte of AttachTurn, in round trips of GetInfo",
  isProof: true,
  full: { rounds: 12, samplesPerRound: 40, limitSeconds: 300 },
  quick: { rounds: 4, samplesPerRound: 20, limitSeconds: 300 },
  estimateMs: ({ rounds, samplesPerRound }) => 3_000 + (rounds + 1) * samplesPerRound * 4 * (pauseMs + 3),

  run: (parameters, bench) =>
    withinLimit(bench, parameters.limitSeconds, async (limited) => {
      await using server = await BenchServer.start({
        bench: limited,
        cliPath: fakeCli,
        baseUrl: "http://127.0.0.1:9", // The scripted program asks no model.
        profiles: { default: { minSpares: 0, maxWorkers: 1 } },
      });
      await using opened = new AsyncDisposableStack();
      const clients = ports.map(({ name, protocol, portOf }) => {
        const port = portOf(server.target);
        return { name, calls: opened.use(new RawCalls({ protocol, port, token: server.target.token })) };
      });
      const turnId = await startTurn(server.target);
      const settle = () => sleep(pauseMs, undefined, { signal: limited.signal });
      const measured = await takeTurns(
        clients.flatMap(({ name, calls }): Side[] => [
          { name: infoOf(name), sample: () => calls.onceMs(ClaudeRunner.method.getInfo, {}), settle },
          { name: attachOf(name), sample: () => attachMs(calls, turnId), settle },
        ]),
        {
          rounds: parameters.rounds,
          samplesPerRound: parameters.samplesPerRound,
          warmUpRounds: 1,
          random: seededRandom(bench.seed),
          signal: limited.signal,
          progress: (done) => bench.progress("calls", done),
        },
      );
      return evaluate(measured);
    }),
});

/** A turn that goes on, and its id. */
async function startTurn(target: ServerTarget): Promise<string> {
  const [{ runner }] = clientsOf(target, target.token);
  const request = { prompt, requestId: randomUUID(), onDisconnect: OnDisconnect.CONTINUE };
  for await (const { turnId } of runner.streamChat(request)) return turnId;
  throw new Error("the turn ended before it began");
}

async function attachMs(calls: RawCalls, turnId: string): Promise<number> {
  const { message, firstByteMs } = await calls.first(TurnService.method.attachTurn, {
    turn: { case: "turnId", value: turnId },
  });
  const { message: state } = message;
  if (state.case !== "state" || state.value.state !== TurnState.RUNNING) {
    throw new Error(`the first message is ${state.case}, or the turn does not run`);
  }
  return firstByteMs;
}

function evaluate(measured: Measured) {
  const trips = ports.map(({ name }) => ({
    name,
    ratios: ratios(roundsOf(measured, attachOf(name)), roundsOf(measured, infoOf(name))),
  }));
  return {
    figures: [
      ...[...measured].map(([name, rounds]) => figure(name, "ms", rounds.flat())),
      ...trips.map(({ name, ratios }) => figure(`the same in round trips of GetInfo, ${name}`, "×", ratios)),
    ],
    targets: trips.map(({ name, ratios }) =>
      atMostTimes(`first byte of AttachTurn in round trips of GetInfo, ${name}`, ratios, mostTrips),
    ),
    samples: Object.fromEntries(measured),
  };
}
