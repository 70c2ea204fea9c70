import { describe, expect, it } from "vitest";
import { MappedTurn } from "../../../src/cli/mapping/mapped-turn.ts";
import { TurnMeter } from "../../../src/cli/mapping/meter.ts";
import { mapMessage } from "../../../src/cli/mapping/turn-mapper.ts";
import { parseLine } from "../../../src/cli/protocol/cli-messages.ts";
import { HostPaths } from "../../../src/cli/protocol/host-paths.ts";
import { callerMistake } from "../../../src/cli/upstream/caller-mistake.ts";
import { failureSentence, idOf, reportSentence, wordOf } from "../../../src/cli/upstream/failure-sentence.ts";
import { upstreamReason } from "../../../src/cli/upstream/upstream-reason.ts";
import type { TurnEvent } from "../../../src/turn-event.ts";
import { capturedPaths, captureNames, linesOf, turnsOf } from "../captures.ts";

describe("what is wrong with a caller's request", () => {
  it.each([
    ["prompt is too long: 215000 tokens > 200000 maximum", "it has about 215000 tokens, the limit is 200000"],
    [
      "Prompt is too long · the request is ~210000 tokens (limit 200000) but",
      "it has about 210000 tokens, the limit is 200000",
    ],
    [
      "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000",
      "it has about 209573 tokens, the limit is 200000",
    ],
    [
      "messages.0.content.1.image.source.base64: image exceeds 5 MB maximum: 6000000 bytes > 5242880 bytes",
      "a picture is larger than 5 MB (at messages.0.content.1.image.source.base64)",
    ],
    [
      "messages.3.content.0.image.source.base64.data: At least one of the image dimensions exceed max allowed size: 8000 pixels",
      "a picture is larger than 8000 pixels on a side (at messages.3.content.0.image.source.base64.data)",
    ],
    ["Could not process image", "a picture cannot be read"],
    ["A maximum of 100 PDF pages may be provided.", "a PDF has more than 100 pages"],
    ["The PDF specified is password protected.", "a PDF is protected by a password"],
    [
      "tools.0.custom.input_schema: For 'object' type, 'additionalProperties' must be set",
      "the output schema is refused; named are `additionalProperties` (at tools.0.custom.input_schema)",
    ],
    ["messages.1.content: surprising gw.internal", "something is wrong at `messages.1.content`"],
  ])("is read out of: %s", (words, text) => {
    expect(callerMistake(words)?.text).toBe(text);
  });

  it("has its numbers among the facts", () => {
    expect(callerMistake("1200000 tokens > 1000000 maximum")?.facts).toEqual({
      tokenCount: 1200000,
      tokenLimit: 1000000,
    });
  });

  it("takes nothing out of words that it does not know, however they look", () => {
    expect(callerMistake("Incorrect API key provided: sk-x at 10.1.2.3:4000 for team ops")).toBeUndefined();
    const text = callerMistake("messages.0.content.10-1-2-3.secret-key: image gw.internal sk-secret invalid")?.text;
    expect(text).not.toMatch(/gw|sk-|10-1/);
  });
});

describe("a failure of the model API in a sentence of ours", () => {
  const failure = {
    reason: "UPSTREAM_5XX",
    httpStatus: 500,
    apiErrorType: "api_error",
    requestId: "req_1",
    attemptCount: 3,
    model: "m",
    text: "gateway 10.1.2.3 broke",
  } as const;

  it("has the status, the request's id and the attempts, and no words of the model API", () => {
    expect(failureSentence(failure).text).toBe(
      "the model API failed; try again later [HTTP 500, request req_1, 3 attempts]",
    );
    expect(failureSentence({ ...failure, httpStatus: undefined, requestId: "", attemptCount: 1 }).text).toBe(
      "the model API failed; try again later",
    );
  });

  it.each([
    [404, "", "UPSTREAM_MALFORMED", "base URL is wrong"],
    [404, "invalid_request_error", "UPSTREAM_MALFORMED", "base URL is wrong"],
    [404, "not_found_error", "UPSTREAM_MODEL_NOT_FOUND", "does not know the model"],
    [403, "", "UPSTREAM_AUTH", "firewall"],
    [403, "permission_error", "UPSTREAM_AUTH", "does not accept the operator's credential"],
  ])("of a %d with the class %j is %s and speaks of what may be wrong", (httpStatus, apiErrorType, reason, words) => {
    const cliError = httpStatus === 404 ? "model_not_found" : "authentication_failed";
    const report = {
      httpStatus,
      cliError,
      apiError: "",
      apiErrorType,
      text: "There's an issue with the selected model",
    };
    expect(upstreamReason(report)).toBe(reason);
    expect(reportSentence({ ...report, requestId: "", stopReason: "" }, 1, "m")).toContain(words);
  });

  it("takes classes and ids only when they are made like such", () => {
    expect([wordOf("overloaded_error"), wordOf("gw.internal"), wordOf("no key sk-1"), wordOf("")]).toEqual([
      "overloaded_error",
      "",
      "",
      "",
    ]);
    expect([idOf("req_011CX"), idOf("10.1.2.3:4000"), idOf("sk-ant-api03-abcdefghijklmnop")]).toEqual([
      "req_011CX",
      "",
      "",
    ]);
  });
});

/** All of a capture at full detail, as one turn would tell it. */
function toldOf(name: string, forOperator: boolean): string {
  const mapped = new MappedTurn({
    detail: "full",
    paths: new HostPaths(capturedPaths),
    meter: new TurnMeter({}),
    forOperator,
    onUnknown: () => undefined,
  });
  return linesOf(name)
    .map((line) => {
      const message = parseLine(line)!;
      const events: TurnEvent[] = [];
      mapMessage(mapped, message, events);
      const raw = mapped.rawLine(message, line);
      JSON.parse(raw); // stays JSON
      return JSON.stringify([events, raw]);
    })
    .join("\n");
}

describe("events and lines of a turn that failed", () => {
  const failing = captureNames.filter((name) => turnsOf(name).some(({ end }) => end.upstreamFailure !== undefined));

  it.each(failing)("%s: have the CLI's words for operators only", (name) => {
    const words =
      /API Error|upstream error|127\.0\.0\.1|ANTHROPIC_BASE_URL|Run --model|API_TIMEOUT_MS|\/login|firewall/;
    expect(toldOf(name, false)).not.toMatch(words);
    const reported = linesOf(name).join("\n");
    if (words.test(reported)) expect(toldOf(name, true)).toMatch(words);
  });

  it("have a sentence in the place of words that the CLI repeats in a tool's answer", () => {
    const mapped = new MappedTurn({
      detail: "full",
      paths: new HostPaths(capturedPaths),
      meter: new TurnMeter({}),
      onUnknown: () => undefined,
    });
    const words = "API Error: 500 the gateway gw.internal:4000 failed";
    const tell = (line: object) => {
      const text = JSON.stringify(line);
      const message = parseLine(text)!;
      const events: TurnEvent[] = [];
      mapMessage(mapped, message, events);
      return JSON.stringify([events, mapped.rawLine(message, text)]);
    };
    const report = {
      type: "assistant",
      parent_tool_use_id: "toolu_1",
      message: { model: "<synthetic>", content: [{ type: "text", text: words }] },
      error: "server_error",
      api_error_status: 500,
    };
    const answer = {
      type: "user",
      message: {
        content: [{ type: "tool_result", tool_use_id: "toolu_1", content: `Agent failed: ${words}`, is_error: true }],
      },
    };
    for (const told of [tell(report), tell(answer)]) {
      expect(told).not.toContain("gw.internal");
      expect(told).toContain("the model API failed");
    }
  });
});
