/** The small pure files: figures, speech, excerpts, tools and the pool in words. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { ErrorReason } from "../../clients/typescript/src/gen/claude/runner/v1/error_pb.ts";
import { ClaimSource, ToolResultSchema } from "../../clients/typescript/src/gen/claude/runner/v1/event_pb.ts";
import {
  ProfilePoolSchema,
  RecentTurnSchema,
  StartsState,
  WorkerState,
} from "../../clients/typescript/src/gen/claude/runner/v1/pool_pb.ts";
import { Outcome } from "../../clients/typescript/src/gen/claude/runner/v1/result_pb.ts";
import { excerpt } from "../../web/excerpt.ts";
import { clockText, costText, counted, sizeText, timeText } from "../../web/format.ts";
import { claimShares, reasonName, startsProblem, turnState, workersByState } from "../../web/pool-words.ts";
import { TurnSpeech } from "../../web/speech.ts";
import { answerParts, inputText, toolSummary } from "../../web/tool-text.ts";
import { newTrace } from "../../web/trace.ts";

describe("figures", () => {
  it.each([
    [0.314, "0.31 ms"],
    [3.14, "3.1 ms"],
    [16.4, "16 ms"],
    [999.6, "1.00 s"],
    [1_240, "1.24 s"],
    [12_340, "12.3 s"],
    [59_960, "1 min"],
    [185_000, "3 min 5 s"],
    [7_440_000, "2 h 4 min"],
    [180_000_000, "2 d 2 h"],
  ])("shows %d milliseconds as %s", (milliseconds, text) => {
    expect(timeText(milliseconds)).toBe(text);
  });

  it("shows a running time in whole seconds", () => {
    expect(clockText(1_999)).toBe("1 s");
    expect(clockText(61_000)).toBe("1 min 1 s");
  });

  it("shows money with the digits that matter, and says when it is a guess", () => {
    expect(costText(12_300n)).toBe("$0.0123");
    expect(costText(1_500_000n, true)).toBe("about $1.50");
    expect(costText(0n)).toBe("$0.00");
  });

  it("shows sizes and counts", () => {
    expect([812, 1_234, 14_000, 999_600, 5_000_000_000].map(sizeText)).toEqual([
      "812 B",
      "1.2 kB",
      "14 kB",
      "1.0 MB",
      "5.0 GB",
    ]);
    expect([counted(1, "spare"), counted(12_000n, "token")]).toEqual(["1 spare", "12,000 tokens"]);
  });
});

describe("what is read out of an answer", () => {
  it("is its paragraphs, up to a length, and then that it goes on", () => {
    const speech = new TurnSpeech();
    expect(speech.paragraph("  Hello. ")).toBe("Hello.");
    expect(speech.paragraph(" ")).toBeUndefined();
    expect(speech.paragraph("x".repeat(5_000))).toMatch(/^x{1994} … The answer continues\.$/);
    expect(speech.paragraph("More.")).toBeUndefined();
  });
});

describe("an excerpt", () => {
  it("is the beginning or the end of a long text, bounded in characters and in lines", () => {
    expect(excerpt("short", "beginning")).toBe("short");
    expect(excerpt("x".repeat(10_000), "beginning")).toHaveLength(4_000);
    const lines = Array.from({ length: 100 }, (_, index) => String(index)).join("\n");
    expect(excerpt(lines, "beginning").split("\n")).toEqual(Array.from({ length: 40 }, (_, index) => String(index)));
    expect(excerpt(lines, "end").split("\n").at(-1)).toBe("99");
  });
});

describe("a tool in words", () => {
  const answer = (init: MessageInitShape<typeof ToolResultSchema>) => answerParts(create(ToolResultSchema, init));

  it("is summed up by what it is about", () => {
    expect(toolSummary('{"description":"Lists","command":"ls -la\\nls"}')).toBe("ls -la");
    expect(toolSummary('{"file_path":"/a/b"}')).toBe("/a/b");
    expect(toolSummary('{"other":"thing","count":1}')).toBe("thing");
    expect(toolSummary('{"comm')).toBe("");
  });

  it("shows a command as itself, other input as JSON, and what is no JSON as it is", () => {
    expect(inputText('{"command":"ls\\npwd","description":"x"}')).toBe("ls\npwd");
    expect(inputText('{"a":1}')).toBe('{\n  "a": 1\n}');
    expect(inputText('{"a":')).toBe('{"a":');
  });

  it("shows what a command printed, errors apart", () => {
    expect(answer({ output: { case: "bash", value: { stdout: "out", stderr: "err" } } })).toEqual([
      { label: "", kind: "text", text: "out" },
      { label: "stderr", kind: "error", text: "err" },
    ]);
    expect(answer({ output: { case: "bash", value: {} } })).toMatchObject([{ text: "no output" }]);
  });

  it("shows a change of a file as a difference", () => {
    const hunks = [{ lines: [" same", "-old", "+new", "+more"] }];
    expect(answer({ output: { case: "fileChange", value: { path: "a.ts", hunks } } })).toEqual([
      { label: "a.ts: +2 −1", kind: "difference", text: " same\n-old\n+new\n+more" },
    ]);
  });

  it("shows what the model got to read when the tool failed or is not known", () => {
    const content = [{ content: { case: "text" as const, value: "no such file" } }];
    expect(answer({ isError: true, content, output: { case: "bash", value: { stdout: "x" } } })).toEqual([
      { label: "", kind: "error", text: "no such file" },
    ]);
    expect(answer({ content, elidedBytes: 2_000n })).toEqual([
      { label: "", kind: "text", text: "no such file" },
      { label: "", kind: "text", text: "2.0 kB left out by the server" },
    ]);
  });
});

describe("the pool in words", () => {
  const profile = (init: MessageInitShape<typeof ProfilePoolSchema>) => create(ProfilePoolSchema, init);
  const turn = (init: MessageInitShape<typeof RecentTurnSchema>) => turnState(create(RecentTurnSchema, init));

  it("has the workers by state in drawing order, also of states that came later than this page", () => {
    const workerCounts = [
      { state: WorkerState.STARTING, count: 1 },
      { state: 99 as WorkerState, count: 4 },
      { state: WorkerState.SPARE, count: 0 },
      { state: WorkerState.CLAIMED, count: 2 },
    ];
    expect(workersByState(profile({ workerCounts })).map(({ key, count }) => [key, count])).toEqual([
      ["claimed", 2],
      ["starting", 1],
      ["unknown", 4],
    ]);
  });

  it("has the ways in which turns got their workers, with their shares", () => {
    const claimCounts = [
      { source: ClaimSource.REUSED, count: 3n },
      { source: ClaimSource.SPARE, count: 1n },
      { source: ClaimSource.COLD_NO_SPARE, count: 0n },
    ];
    expect(claimShares(profile({ claimCounts })).map(({ words, share }) => [words, share])).toEqual([
      ["reused", 0.75],
      ["spare", 0.25],
    ]);
  });

  it("says how a turn stands", () => {
    expect(turn({ running: true }).words).toBe("waiting");
    expect(turn({ running: true, claimSource: ClaimSource.SPARE }).words).toBe("running");
    expect(turn({ errorReason: ErrorReason.QUEUE_FULL })).toEqual({ words: "refused: QUEUE_FULL", tone: "bad" });
    expect(turn({ outcome: Outcome.COMPLETED }).tone).toBe("good");
    expect(turn({ outcome: Outcome.CANCELLED, errorReason: ErrorReason.CANCELLED })).toEqual({
      words: "cancelled",
      tone: "plain",
    });
    const upstream = turn({ outcome: Outcome.UPSTREAM_ERROR, errorReason: ErrorReason.UPSTREAM_OVERLOADED });
    expect(upstream.words).toBe("the model API failed: UPSTREAM_OVERLOADED");
    expect(turn({ outcome: Outcome.WORKER_DIED }).tone).toBe("bad");
    expect(turn({ outcome: 99 as Outcome }).words).toBe("outcome 99");
  });

  it("spells reasons as the contract does, and says why no worker starts", () => {
    expect(reasonName(ErrorReason.QUEUE_FULL)).toBe("QUEUE_FULL");
    expect(reasonName(ErrorReason.UNSPECIFIED)).toBe("");
    expect(startsProblem(StartsState.NORMAL)).toBe("");
    expect(startsProblem(StartsState.FAILING)).not.toBe("");
  });
});

it("a trace is a new one each time, in the form that the server reads", () => {
  const [one, other] = [newTrace(), newTrace()];
  expect(one.traceparent).toMatch(new RegExp(`^00-${one.traceId}-[0-9a-f]{16}-01$`));
  expect(one.traceId).toMatch(/^[0-9a-f]{32}$/);
  expect(one.traceId).not.toBe(other.traceId);
});
