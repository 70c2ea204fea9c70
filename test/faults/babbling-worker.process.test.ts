/**
 * Workers that say what they should not: garbage, endless lines, two results, words of an older turn, floods.
 */
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Outcome } from "../../gen/claude/runner/v1/result_pb.ts";
import { Detail } from "../../gen/claude/runner/v1/runner_pb.ts";
import { rawLines } from "../contract/raw-lines.ts";
import { readTurn, type SeenTurn } from "../contract/turn.ts";
import { type FakeScene, openFakeScene } from "./fake-scene.ts";

const mebibytes = 1024 * 1024;
/**
 * The default. The flood is read in about 400 chunks so, with the other turns between them; a tenth of it can be over before
 * one other turn has had its ten to twenty rounds of the event loop.
 */
const maxEventsPerTurn = 200_000;

describe("a worker that babbles", () => {
  let scene: FakeScene;
  beforeAll(async () => {
    scene = await openFakeScene({ calls: { maxEventsPerTurn } });
  });
  afterAll(() => scene.close());

  const run = (prompt: string, detail: Detail = Detail.STANDARD): Promise<SeenTurn> =>
    readTurn(scene.client.streamChat({ prompt, detail }));

  const text = "A text that is long enough to have a middle.";
  const says = `[[fake answer {"text":"${text}"}]]`;

  /** The worker of a turn ends; the next turn has another and is fine. */
  const expectQuarantine = async (turn: SeenTurn) => {
    const { workerId } = turn.started;
    await scene.book.wait((line) => line.message === "recycle" && line.workerId === workerId);
    const next = await run(says);
    expect(next.started.workerId).not.toBe(workerId);
    expect(next.text).toBe(text);
  };

  it("a few lines that are no JSON are left out, the turn goes on, the worker ends after it", async () => {
    const turn = await run(`[[fake garbage {"lines":3,"text":"Warning: secret of the inside"}]] ${says}`, Detail.FULL);
    expect(turn.result).toMatchObject({ outcome: Outcome.COMPLETED, text });
    expect(turn.text).toBe(text);
    expect(rawLines(turn.responses).join("\n")).not.toContain("secret of the inside");
    expect(JSON.stringify(scene.book.lines)).not.toContain("secret of the inside");
    await expectQuarantine(turn);
  });

  it("many such lines end the worker and the turn", async () => {
    const turn = await run(`[[fake garbage {"lines":4}]] ${says}`);
    expect(turn.failure).toMatchObject({ code: Code.Aborted, reason: "WORKER_DIED", pushbackMs: -1 });
    expect(turn.result.outcome).toBe(Outcome.WORKER_DIED);
    expect((await run(says)).text).toBe(text);
  });

  it("a line of 40 MB without an end is not kept: the worker ends, the server stays small", async () => {
    const before = process.memoryUsage().rss;
    let peak = 0;
    const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss - before);
    }, 10);
    const turn = await run(`[[fake longLine {"bytes":${40 * mebibytes}}]] ${says}`);
    clearInterval(watch);
    expect(turn.failure).toMatchObject({ code: Code.Aborted, reason: "WORKER_DIED" });
    expect(peak).toBeLessThan(300 * mebibytes);
    expect((await run(says)).text).toBe(text);
  });

  it("a line of 20 MB with an end is taken", async () => {
    const turn = await run(`[[fake longLine {"bytes":${20 * mebibytes},"ends":true}]] ${says}`);
    expect(turn.result).toMatchObject({ outcome: Outcome.COMPLETED, text });
  });

  it("a second result is not passed on, and the worker ends", async () => {
    const turn = await run(`[[fake secondResult]] ${says}`);
    expect(turn.all("result")).toHaveLength(1);
    expect(turn.result.outcome).toBe(Outcome.COMPLETED);
    await expectQuarantine(turn);
  });

  it("words of a turn before never reach the next one", async () => {
    const first = await run(`[[fake staleEvents]] ${says}`);
    expect(first.result.outcome).toBe(Outcome.COMPLETED);
    for (let again = 0; again < 3; again++) {
      const next = await run(says);
      expect(next.text).toBe(text);
      expect(next.result).toMatchObject({ outcome: Outcome.COMPLETED, text });
    }
  });

  it.each([
    ["one byte at a time", '[[fake chunk {"bytes":1}]]'],
    ["in pieces that cut characters", '[[fake chunk {"bytes":7}]]'],
    ["with other line ends", "[[fake crlf]]"],
  ])("lines that come %s are the same lines", async (_, marker) => {
    const odd = "Grüße 世界 👋🏽 \\u2028 \\u0000 end";
    const turn = await run(`${marker} [[fake answer {"text":"${odd}","deltaChars":2}]]`);
    expect(turn.text).toBe(JSON.parse(`"${odd}"`));
    expect(turn.result.text).toBe(turn.text);
    process.kill((await scene.workerPids()).get(turn.started.workerId)!, "SIGKILL");
    await scene.book.wait(({ message, workerId }) => message === "recycle" && workerId === turn.started.workerId);
  });

  it("a flood on stderr blocks nothing and is not kept", async () => {
    const before = process.memoryUsage().rss;
    const turn = await run(`[[fake stderr {"bytes":${100 * mebibytes}}]] ${says}`);
    expect(turn.result).toMatchObject({ outcome: Outcome.COMPLETED, text });
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * mebibytes);
    expect(JSON.stringify(scene.book.lines).length).toBeLessThan(mebibytes);
  });

  it("messages that nobody knows are kept as such, and the worker goes on", async () => {
    const turn = await run(`[[fake unknown]] ${says}`);
    expect(turn.all("unknown").map(({ kind }) => kind)).toEqual([
      expect.stringContaining("weather_report"),
      expect.stringContaining("tea_time"),
      expect.stringContaining("sparkle"),
    ]);
    expect(turn.text).toBe(text);
    const next = await run(says);
    expect(next.started.workerId).toBe(turn.started.workerId);
  });

  it("a conversation that was summarised, or work left in the background, ends the worker", async () => {
    const compacted = await run(`[[fake compact]] ${says}`);
    expect(compacted.all("compacted")).toHaveLength(1);
    await expectQuarantine(compacted);
    const background = await run(`[[fake background]] ${says}`);
    expect(background.all("backgroundTasks")[0]?.taskIds).toHaveLength(1);
    await expectQuarantine(background);
  });

  it("a million deltas of one byte end the turn at its bound, and other callers are served meanwhile", async () => {
    await Promise.all([run(says), run(says)]); // there is a second worker from here on
    const flood = run('[[fake answer {"flood":{"deltas":1000000,"chars":1}}]]');
    let isOver = false;
    void flood.then(() => {
      isOver = true;
    });
    let meanwhileCount = 0;
    while (!isOver) {
      expect((await run(says)).text).toBe(text);
      if (!isOver) meanwhileCount += 1;
    }
    expect(meanwhileCount).toBeGreaterThan(10);
    const turn = await flood;
    expect(turn.failure).toBeUndefined();
    expect(turn.result.outcome).toBe(Outcome.OUTPUT_LIMIT);
    expect(turn.responses.length).toBeLessThan(maxEventsPerTurn + 100);
    expect(turn.answer).toBe(turn.result.text);
  }, 120_000);
});
