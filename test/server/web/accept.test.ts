import { describe, expect, it } from "vitest";
import { acceptedTextForm } from "../../../src/server/web/accept.ts";

describe("a text form of a stream", () => {
  it.each([
    ["text/event-stream", "sse"],
    ["application/x-ndjson", "ndjson"],
    ["TEXT/Event-Stream", "sse"],
    ["text/event-stream; charset=utf-8", "sse"],
    ["text/event-stream;q=0.001", "sse"],
    ["text/event-stream;q=1.000", "sse"],
    ["application/json, text/event-stream", "sse"],
    ["*/*;q=1, text/event-stream;q=0.1", "sse"],
    [" , application/x-ndjson ,", "ndjson"],
    ['text/html;title="a, b; q=0", text/event-stream', "sse"],
    ['text/html;title="\\", text/event-stream;q=0, ", application/x-ndjson', "ndjson"],
  ])("is chosen by name: %s", (accept, form) => {
    expect(acceptedTextForm(accept)).toBe(form);
  });

  it.each([
    ["text/event-stream;q=0.5, application/x-ndjson;q=0.8", "ndjson"],
    ["application/x-ndjson;q=0.8, text/event-stream;q=0.9", "sse"],
    ["text/event-stream, application/x-ndjson", "sse"],
    ["application/x-ndjson, text/event-stream", "ndjson"],
    ["application/x-ndjson; Q = 0.3 , text/event-stream; charset=utf-8; q=0.4", "sse"],
  ])("is the one with the higher weight, or else the first: %s", (accept, form) => {
    expect(acceptedTextForm(accept)).toBe(form);
  });

  it.each([
    "",
    "*/*",
    "text/*",
    "application/*",
    "application/json",
    "text/event-streams",
    "text/event-stream;q=0",
    "text/event-stream;q=0.000",
    "text/event-stream;q=1.1",
    "text/event-stream;q=-1",
    "text/event-stream;q=",
    "text/event-stream;q=0.1234",
    'text/html;title="text/event-stream',
    '"text/event-stream"',
  ])("is not chosen by: %s", (accept) => {
    expect(acceptedTextForm(accept)).toBeUndefined();
  });
});
