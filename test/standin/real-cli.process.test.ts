import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Standin, startStandin } from "../../src/standin/standin-server.ts";
import { type CliMessage, resultsOf, type StreamJsonProcess, streamedText } from "../fakes/stream-json-process.ts";
import { findRealCli, startRealCli } from "./real-cli.ts";

const path = findRealCli();

function resultOf(messages: readonly CliMessage[]): CliMessage {
  const results = resultsOf(messages);
  expect(results).toHaveLength(1);
  return results[0]!;
}

function toolResultsOf(messages: readonly CliMessage[]): readonly CliMessage[] {
  return messages
    .filter(({ type }) => type === "user")
    .flatMap(({ message }) => message.content)
    .filter(({ type }) => type === "tool_result");
}

describe.skipIf(path === undefined)("the real CLI, against the stand-in,", () => {
  let standin: Standin;
  beforeAll(async () => {
    standin = await startStandin();
  });
  afterAll(() => standin.close());

  describe("without tools", () => {
    let cli: StreamJsonProcess;
    beforeAll(async () => {
      cli = await startRealCli({ path: path!, baseUrl: standin.url });
      await cli.control({ subtype: "initialize" });
    });
    afterAll(() => cli[Symbol.asyncDispose]());

    test("streams a text", async () => {
      const messages = await cli.turn(
        '[[scenario text {"text": "one two three four five", "usage": {"outputTokens": 7}}]]',
      );
      expect(streamedText(messages)).toBe("one two three four five");
      expect(resultOf(messages)).toMatchObject({
        subtype: "success",
        is_error: false,
        result: "one two three four five",
        stop_reason: "end_turn",
        usage: { output_tokens: 7 },
      });
    });

    test("streams thinking before the text", async () => {
      const messages = await cli.turn("[[scenario thinking]]");
      const blocks = messages.filter(({ type }) => type === "assistant").map(({ message }) => message.content[0].type);
      expect(blocks).toEqual(["thinking", "text"]);
    });

    test.each([
      ["error-400", { api_error_status: 400, terminal_reason: "api_error" }],
      ["error-403", { api_error_status: 403 }],
      ["error-404", { api_error_status: 404 }],
      ["error-413", { api_error_status: 413, terminal_reason: "image_error" }],
      ["prompt-too-long", { api_error_status: 400, terminal_reason: "prompt_too_long" }],
      ["rate-limit", { api_error_status: 429 }],
      ["error-500", { api_error_status: 500 }],
      ["error-502-html", { api_error_status: 502 }],
      ["drop", { api_error_status: null }],
      ["empty", { api_error_status: null }],
      ["html", { api_error_status: null }],
      ["stream-error-then-error", { api_error_status: 529 }],
      ["refusal", { stop_reason: "refusal" }],
    ])("ends %s as a failure of the API", async (scenario, expected) => {
      const messages = await cli.turn(`[[scenario ${scenario}]]`);
      expect(resultOf(messages)).toMatchObject({ subtype: "success", is_error: true, ...expected });
    });

    test.each([
      ["retry-then-answer", "It worked in the end."],
      ["stream-reset-once", "It worked in the end."],
      ["stream-error", "This is the whole text, not streamed."],
      ["stream-malformed", "This is the whole text, not streamed."],
      ["stream-garbage", "This text breaks off before it is complete, as the scenario says."],
      ["stream-cut-after-block", "And this is how it goes on."],
      ["max-tokens-once", "and the second half."],
    ])("gets over %s", async (scenario, text) => {
      expect(resultOf(await cli.turn(`[[scenario ${scenario}]]`))).toMatchObject({ is_error: false, result: text });
    });

    test.each([
      ["max-tokens", "output_limit"],
      ["context-window", "context_window"],
    ])("gives up after three more calls at %s", async (scenario, cut) => {
      const before = standin.requests.length;
      const messages = await cli.turn(`[[scenario ${scenario}]]`);
      const failure = messages.findLast(({ type }) => type === "assistant");
      expect(failure).toMatchObject({ api_error: "max_output_tokens", api_error_params: { cut } });
      expect(standin.requests.length - before).toBe(4);
    });
  });

  test("summarises a conversation that is too long, and goes on", async () => {
    await using cli = await startRealCli({ path: path!, baseUrl: standin.url });
    await cli.control({ subtype: "initialize" });
    for (const _turn of [1, 2, 3]) await cli.turn("[[scenario text]]");
    const messages = await cli.turn("[[scenario compaction]]");
    expect(messages.some(({ subtype }) => subtype === "compact_boundary")).toBe(true);
    expect(resultOf(messages)).toMatchObject({ is_error: false, result: "Now there is room again." });
  });

  test("runs a shell command, and is denied another", async () => {
    await using cli = await startRealCli({
      path: path!,
      baseUrl: standin.url,
      tools: "Bash",
      permissionMode: "default",
    });
    await cli.control({ subtype: "initialize" });
    const ran = await cli.turn('[[scenario bash {"command": "echo hello from bash"}]]');
    expect(toolResultsOf(ran)).toMatchObject([{ content: "hello from bash", is_error: false }]);
    expect(resultOf(ran)).toMatchObject({ is_error: false, result: "The command ran." });

    const denied = await cli.turn("[[scenario tool-denied]]");
    expect(toolResultsOf(denied)).toMatchObject([{ is_error: true }]);
    expect(resultOf(denied)).toMatchObject({ is_error: false, permission_denials: [{ tool_name: "Bash" }] });

    const unparsable = await cli.turn("[[scenario tool-unparsable]]");
    expect(toolResultsOf(unparsable)).toMatchObject([{ is_error: true }]);
  });

  test("returns structured output, and says when it cannot", async () => {
    await using cli = await startRealCli({ path: path!, baseUrl: standin.url });
    const jsonSchema = {
      type: "object",
      properties: { answer: { type: "string" } },
      required: ["answer"],
      additionalProperties: false,
    };
    await cli.control({ subtype: "initialize", jsonSchema });
    const good = await cli.turn('[[scenario structured {"value": {"answer": "yes"}}]]');
    expect(resultOf(good)).toMatchObject({ is_error: false, structured_output: { answer: "yes" } });
    const second = await cli.turn("[[scenario structured-second]]");
    expect(resultOf(second)).toMatchObject({ is_error: false, structured_output: { answer: "42" } });
    const invalid = await cli.turn("[[scenario structured-invalid]]");
    expect(resultOf(invalid)).toMatchObject({ subtype: "error_max_structured_output_retries" });
    const missing = await cli.turn("[[scenario structured-missing]]");
    expect(resultOf(missing)).not.toHaveProperty("structured_output");
  });
});
