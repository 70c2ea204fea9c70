import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../../src/cli/protocol/json-members.ts";
import { type CliQuestion, type OnRequest, Questions } from "../../../src/cli/protocol/questions.ts";

interface Asked {
  readonly question: CliQuestion;
  readonly signal: AbortSignal;
  readonly answer: (response: JsonObject | undefined) => void;
  readonly fail: (error: Error) => void;
}

/** Questions of a process, with somebody who answers when the test says so. */
function asking(onRequest?: OnRequest) {
  const sent: string[] = [];
  const counts: number[] = [];
  const asked: Asked[] = [];
  const questions = new Questions({
    onRequest:
      onRequest ??
      ((question, signal) => {
        const { promise, resolve, reject } = Promise.withResolvers<JsonObject | undefined>();
        asked.push({ question, signal, answer: resolve, fail: reject });
        return promise;
      }),
    send: async (line) => void sent.push(line),
    openCountChanged: (count) => counts.push(count),
  });
  const ask = (id: string, subtype = "can_use_tool", more = {}) =>
    questions.receive({ type: "control_request", request_id: id, request: { subtype, ...more } });
  return { questions, sent, counts, asked, ask };
}

const settle = () => new Promise(setImmediate);
const refusal = (id: string) =>
  `{"type":"control_response","response":{"request_id":"${id}","subtype":"success","response":{"behavior":"deny","message":"Nobody can be asked for permission here.","interrupt":false}}}`;

describe("a question of the CLI's that nobody answers", () => {
  it.each([
    ["can_use_tool", refusal("R")],
    ["hook_callback", '{"type":"control_response","response":{"request_id":"R","subtype":"success","response":{}}}'],
    [
      "mcp_message",
      '{"type":"control_response","response":{"request_id":"R","subtype":"error","error":"claude-runner does not answer mcp_message"}}',
    ],
    [
      "",
      '{"type":"control_response","response":{"request_id":"R","subtype":"error","error":"claude-runner does not answer this"}}',
    ],
  ])("is refused at once, such as %s", (subtype, line) => {
    const sent: string[] = [];
    const counts: number[] = [];
    const questions = new Questions({
      send: async (line) => void sent.push(line),
      openCountChanged: (count) => counts.push(count),
    });
    questions.receive({ type: "control_request", request_id: "R", request: { subtype } });
    expect(sent).toEqual([line]);
    expect(counts).toEqual([]);
  });

  it.each<[string, OnRequest]>([
    ["is left to be refused", async () => undefined],
    ["fails whoever was to answer", () => Promise.reject(new Error("no"))],
    [
      "fails whoever was to answer on the spot",
      () => {
        throw new Error("no");
      },
    ],
  ])("is refused when it %s", async (_, onRequest) => {
    const { sent, counts, ask } = asking(onRequest);
    ask("R");
    await settle();
    expect(sent).toEqual([refusal("R")]);
    expect(counts).toEqual([1, 0]);
  });
});

describe("a question of the CLI's", () => {
  it("is handed on whole, and answered as whoever was asked says", async () => {
    const { sent, counts, asked, ask } = asking();
    ask("R", "can_use_tool", { tool_name: "Bash", input: { command: "ls" } });
    expect(asked[0]!.question).toEqual({
      requestId: "R",
      subtype: "can_use_tool",
      request: { subtype: "can_use_tool", tool_name: "Bash", input: { command: "ls" } },
    });
    await settle();
    expect([sent, counts]).toEqual([[], [1]]);
    asked[0]!.answer({ behavior: "allow" });
    await settle();
    expect(sent.map((line) => JSON.parse(line))).toEqual([
      {
        type: "control_response",
        response: { subtype: "success", request_id: "R", response: { behavior: "allow" } },
      },
    ]);
    expect(counts).toEqual([1, 0]);
    expect(asked[0]!.signal.aborted).toBe(false);
  });

  it("has its own answer among several, in whatever order they come", async () => {
    const { sent, counts, asked, ask } = asking();
    ask("A");
    ask("B");
    asked[1]!.answer({ of: "B" });
    await settle();
    asked[0]!.answer({ of: "A" });
    await settle();
    expect(sent.map((line) => JSON.parse(line).response)).toEqual([
      { subtype: "success", request_id: "B", response: { of: "B" } },
      { subtype: "success", request_id: "A", response: { of: "A" } },
    ]);
    expect(counts).toEqual([1, 2, 1, 0]);
  });

  it("is given up when the CLI withdraws it, and what is answered then is not sent", async () => {
    const { questions, sent, counts, asked, ask } = asking();
    ask("A");
    ask("B");
    questions.receiveCancel({ type: "control_cancel_request", request_id: "A" });
    expect(asked.map(({ signal }) => signal.aborted)).toEqual([true, false]);
    asked[0]!.answer({ late: true });
    await settle();
    expect(sent).toEqual([]);
    expect(counts).toEqual([1, 2, 1]);
    questions.receiveCancel({ type: "control_cancel_request", request_id: "of nobody" });
    expect(questions.openCount).toBe(1);
  });

  it("is given up and refused when its turn ends, so that the CLI does not go on waiting", async () => {
    const { questions, sent, counts, asked, ask } = asking();
    ask("A");
    ask("B");
    questions.turnEnded();
    expect(asked.map(({ signal }) => signal.aborted)).toEqual([true, true]);
    expect(sent).toEqual([refusal("A"), refusal("B")]);
    asked[0]!.answer({ late: true });
    asked[1]!.fail(new Error("aborted"));
    await settle();
    expect(sent).toHaveLength(2);
    expect(counts).toEqual([1, 2, 1, 0]);
  });

  it("is given up when the process is gone, with the reason, and nothing is sent", async () => {
    const { questions, sent, asked, ask } = asking();
    ask("A");
    const gone = new Error("gone");
    questions.processGone(gone);
    expect(asked[0]!.signal.reason).toBe(gone);
    asked[0]!.answer({ late: true });
    await settle();
    expect(sent).toEqual([]);
    expect(questions.openCount).toBe(0);
  });
});
