/**
 * A twentieth of `npm run bench -- --only duplicates`, over scripted workers and without a process.
 */
import { afterEach, expect, test } from "vitest";
import { type Answer, raceDuplicates, runProblems, type Submit } from "../../bench/proofs/duplicates.ts";
import { seededRandom } from "../../bench/random.ts";
import { OutcomeSchema, type TurnResult } from "../../gen/claude/runner/v1/result_pb.ts";
import { OnDisconnect } from "../../gen/claude/runner/v1/runner_pb.ts";
import { systemClock } from "../../src/clock.ts";
import { type OpenedStore, openStore } from "../../src/store/open-store.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { LivelyPool } from "../turns/lively-pool.ts";
import { goodEnd, init, text } from "../turns/scripted.ts";
import { failureOf, type ServedScene, servedScene } from "./served-scene.ts";

const seed = Number(process.env.PROOF_SEED ?? 1);
const submitCount = Number(process.env.PROOF_SUBMITS ?? 5_000);

let opened: OpenedStore;
afterEach(() => opened.store[Symbol.asyncDispose]());

test(`a request runs once, however often it is submitted, and every caller gets its result (seed ${seed})`, async () => {
  opened = await openStore({ kind: "memory", folder: undefined, clock: systemClock, log: silentLog });
  const random = seededRandom(seed);
  const pool = new LivelyPool(4, (turn, running) => {
    const [part] = turn.content;
    const prompt = part?.kind === "text" ? part.text : "";
    running.push(init, text("the answer to "));
    setTimeout(() => {
      running.push(text(prompt));
      running.end({ ...goodEnd, text: `the answer to ${prompt}`, costUsdMicros: 1 + Math.floor(1_000 * random()) });
      running.becomeIdle();
    }, 10 * random());
  });
  const scene = servedScene({ clock: systemClock, store: opened.store, pool });
  const outcome = await raceDuplicates({
    random,
    submitCount,
    requestsAtOnce: 8,
    spreadMs: 20,
    submit: (submit) => submitTo(scene, submit),
    signal: new AbortController().signal,
  });
  const runs = new Map<string, number>();
  for (const { content } of pool.ran) {
    const [part] = content;
    if (part?.kind === "text") runs.set(part.text, (runs.get(part.text) ?? 0) + 1);
  }
  expect([...outcome.problems, ...runProblems(outcome, runs)]).toEqual([]);
  expect(outcome.submitCount).toBeGreaterThanOrEqual(submitCount);
  // Callers that went are among them, and turns that were ended for it.
  expect(outcome.goneCount).toBeGreaterThan(0);
  expect(outcome.ends.get("CANCELLED")).toBeGreaterThan(0);
}, 120_000);

async function submitTo(scene: ServedScene, submit: Submit): Promise<Answer> {
  const { requestId, prompt, goesOn, method, signal } = submit;
  const request = { prompt, requestId, ...(goesOn && { onDisconnect: OnDisconnect.CONTINUE }) };
  let result: Answer | undefined;
  try {
    if (method === "Chat") {
      const answer = await scene.chat(request, signal);
      return resultOf(answer.turnId, answer.result as TurnResult, answer.text);
    }
    for await (const { turnId = "", event } of scene.streamChat(request, signal)) {
      if (event?.case === "result") result = resultOf(turnId, event.value as TurnResult, event.value.text);
    }
  } catch (error) {
    const failure = failureOf(error);
    if (result !== undefined) return result;
    if (failure.result === undefined) return { kind: "refused", reason: failure.reason };
    return resultOf(failure.turnId ?? "", failure.result);
  }
  return result ?? { kind: "refused", reason: "nothing" };
}

function resultOf(turnId: string, { outcome, costUsdMicros }: TurnResult, said?: string): Answer {
  const name = OutcomeSchema.value[outcome]?.localName ?? "";
  return { kind: "result", turnId, outcome: name, costUsdMicros, ...(said !== undefined && { text: said }) };
}
