import { describe, expect, it } from "vitest";
import { parseLine } from "../../../src/cli/protocol/cli-messages.ts";
import { ModelCallWatch } from "../../../src/cli/turn/model-call-watch.ts";
import { FakeClock } from "../../fake-clock.ts";
import { linesOf } from "../captures.ts";

/** What is under way behind each line that matters, for a recorded process. A line comes each millisecond. */
function watched(capture: string) {
  const clock = new FakeClock();
  const watch = new ModelCallWatch(clock);
  return linesOf(capture).flatMap((line) => {
    clock.jump(1);
    const message = parseLine(line);
    if (message === undefined) return [];
    watch.see(message);
    const mark = ["requesting", "message_start", "message_stop", "api_retry"].find((word) =>
      line.includes(`"${word}"`),
    );
    const call = watch.cut();
    return mark === undefined ? [] : [{ mark, call: call && { ...call, isAnswered: call.answeredAtMs !== undefined } }];
  });
}

describe("the model call that is under way", () => {
  it("begins when it is requested, is answered at its first event, and is over with the message", () => {
    const [requested, answered, over] = watched("text-happy");
    expect([requested?.mark, answered?.mark, over?.mark]).toEqual(["requesting", "message_start", "message_stop"]);
    expect(requested?.call).toMatchObject({ isAnswered: false });
    expect(answered?.call).toMatchObject({ isAnswered: true, model: "claude-opus-5-5" });
    expect(answered?.call?.startedAtMs).toBe(requested?.call?.startedAtMs);
    expect(over?.call).toBeUndefined();
  });

  it("is the same one while it is tried again, also when an answer broke off", () => {
    const retried = watched("error-500-ten-retries");
    expect(retried.map(({ mark }) => mark)).toEqual(["requesting", ...Array.from({ length: 10 }, () => "api_retry")]);
    expect(new Set(retried.map(({ call }) => call?.startedAtMs)).size).toBe(1);

    const abandoned = watched("stream-abandoned-three-times").filter(({ mark }) => mark !== "requesting");
    expect(abandoned.filter(({ mark }) => mark === "message_stop").length).toBeGreaterThan(1);
    for (const { call } of abandoned) expect(call).toBeDefined();
  });
});
