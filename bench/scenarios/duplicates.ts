/**
 * Requests that are submitted again and again under their id, at once and later, by StreamChat and Chat over both ports,
 * some of whose callers go. A proof: each runs once, by the account of the processes that ran it, and every caller gets
 * the same result.
 *
 *     npm run bench -- --only duplicates --seed 1 --submits 100000
 */
import { join } from "node:path";
import { OutcomeSchema, type TurnResult, TurnResultSchema } from "../../gen/claude/runner/v1/result_pb.ts";
import { OnDisconnect } from "../../gen/claude/runner/v1/runner_pb.ts";
import { CallFailed, type ContractClient, transportKinds } from "../../test/contract/transports.ts";
import { makeFakeCli, type RecordEntry } from "../../test/fakes/fake-cli.ts";
import { type Answer, raceDuplicates, runProblems, type Submit } from "../proofs/duplicates.ts";
import { seededRandom } from "../random.ts";
import { defineScenario, figure } from "../scenario.ts";
import { BenchServer } from "../server.ts";
import { withinLimit } from "../time-limit.ts";

interface Parameters {
  readonly rounds: number;
  readonly submits: number;
  readonly limitSeconds: number;
}

const workerCount = 6;
const requestsAtOnce = 16;
/** A request is submitted again for so long; its turn takes about a third of it. */
const spreadMs = 150;
const answer = { answer: { flood: { deltas: 10, chars: 10 }, perSecond: 200 } };
const kinds = transportKinds.filter(
  ({ tls, httpVersion, library }) => !tls && httpVersion === "2" && library !== "none",
);

export const duplicates = defineScenario<Parameters>({
  name: "duplicates",
  about: "Proof: requests are submitted again and again under their id, and run once",
  isProof: true,
  full: { rounds: 1, submits: 100_000, limitSeconds: 3_600 },
  quick: { rounds: 1, submits: 1_000, limitSeconds: 300 },
  estimateMs: ({ submits }) => 10_000 + submits * 6,

  run: (parameters, bench) =>
    withinLimit(bench, parameters.limitSeconds, async (limited) => {
      const submitCount = bench.amounts.submits ?? parameters.submits;
      const random = seededRandom(bench.seed);
      await using fake = await makeFakeCli(answer);
      await using server = await BenchServer.start({
        bench: limited,
        baseUrl: "http://127.0.0.1:9", // the fake CLI asks no model
        cliPath: fake.path,
        profiles: { default: { minSpares: 1, maxWorkers: workerCount } },
        queue: { maxLength: 1_000 },
        store: { kind: "sqlite", folder: join(bench.folder, "store") },
      });
      await server.spares("default", 1);
      const clients = kinds.map(({ connect }) => connect(server.target));
      const sinceMs = performance.now();
      const outcome = await raceDuplicates({
        random,
        submitCount,
        requestsAtOnce,
        spreadMs,
        submit: (submit) => submitBy(clients[Math.floor(random() * clients.length)]!, submit),
        signal: limited.signal,
        progress: (count) => bench.progress(`${count} submits`, count / submitCount),
      });
      const elapsedMs = performance.now() - sinceMs;
      for (const client of clients) client.close();
      const runs = runsIn(await fake.record());
      const doubleRuns = runProblems(outcome, runs);
      const words = (problems: readonly string[]) =>
        problems.length === 0 ? "none" : `${problems.length}: ${problems.slice(0, 5).join("; ")}`;
      return {
        figures: [
          figure("submits", "", [outcome.submitCount]),
          figure("requests", "", [outcome.requestCount]),
          figure("callers that went", "", [outcome.goneCount]),
          ...[...outcome.ends].map(([end, count]) => figure(`submits: ${end}`, "", [count])),
          figure("how long it took", "ms", [elapsedMs]),
        ],
        targets: [
          {
            name: "submits",
            wanted: String(submitCount),
            measured: String(outcome.submitCount),
            reached: outcome.submitCount >= submitCount,
          },
          {
            name: "requests that ran twice, or have a result and never ran",
            wanted: "none",
            measured: words(doubleRuns),
            reached: doubleRuns.length === 0 && runs.size > 0,
          },
          {
            name: "callers that got anything but their request's result",
            wanted: "none",
            measured: words(outcome.problems),
            reached: outcome.problems.length === 0,
          },
        ],
        samples: {},
        notes: [...doubleRuns, ...outcome.problems].slice(0, 50),
      };
    }),
});

async function submitBy(client: ContractClient, submit: Submit): Promise<Answer> {
  const { requestId, prompt, goesOn, method, signal } = submit;
  const request = { prompt, requestId, ...(goesOn && { onDisconnect: OnDisconnect.CONTINUE }) };
  let result: Answer | undefined;
  try {
    if (method === "Chat") {
      const said = await client.chat(request, { signal });
      return resultOf(said.turnId, said.result, said.text);
    }
    for await (const { turnId, event } of client.streamChat(request, { signal })) {
      if (event.case === "result") result = resultOf(turnId, event.value, event.value.text);
    }
  } catch (error) {
    if (result !== undefined) return result;
    if (!(error instanceof CallFailed)) return { kind: "refused", reason: String(error) };
    const found = error.detail(TurnResultSchema);
    if (found === undefined) return { kind: "refused", reason: error.reason ?? error.message };
    return resultOf(error.facts.turnId ?? "", found);
  }
  return result ?? { kind: "refused", reason: "nothing" };
}

function resultOf(turnId: string, result: TurnResult | undefined, said?: string): Answer {
  if (result === undefined) return { kind: "refused", reason: "an answer without a result" };
  const outcome = OutcomeSchema.value[result.outcome]?.localName ?? "";
  const { costUsdMicros } = result;
  return { kind: "result", turnId, outcome, costUsdMicros, ...(said !== undefined && { text: said }) };
}

/** How often each prompt came to a process. */
function runsIn(record: readonly RecordEntry[]): ReadonlyMap<string, number> {
  const runs = new Map<string, number>();
  for (const { in: line } of record) {
    if (line?.type !== "user") continue;
    const [prompt] = JSON.stringify(line.message).match(/prompt \d+\./) ?? [];
    if (prompt !== undefined) runs.set(prompt, (runs.get(prompt) ?? 0) + 1);
  }
  return runs;
}
