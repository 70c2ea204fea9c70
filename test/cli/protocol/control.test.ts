import { describe, expect, it } from "vitest";
import { rewindProblem } from "../../../src/cli/conversation/reset.ts";
import { ControlChannel, ControlError } from "../../../src/cli/protocol/control.ts";
import { RunnerError } from "../../../src/runner-error.ts";
import { FakeClock } from "../../fake-clock.ts";

function channel() {
  const clock = new FakeClock();
  const sent: { request_id: string; request: object; response: { request_id: string } }[] = [];
  const control = new ControlChannel({
    clock,
    timeoutMs: 1_000,
    send: async (line) => {
      sent.push(JSON.parse(line));
    },
  });
  const answer = (at: number, response: object) =>
    control.receiveResponse({ type: "control_response", response: { request_id: sent[at]!.request_id, ...response } });
  return { clock, sent, control, answer };
}
const reasonOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe("control requests", () => {
  it("get their own answers, in whatever order they come", async () => {
    const { control, answer } = channel();
    const [a, b] = [control.request({ subtype: "a" }), control.request({ subtype: "b" })];
    answer(1, { subtype: "success", response: { of: "b" } });
    answer(0, { subtype: "success" });
    expect(await Promise.all([a, b])).toEqual([{}, { of: "b" }]);
  });

  it("fail with what the CLI says when it refuses", async () => {
    const { control, answer } = channel();
    const asked = control.request({ subtype: "nope" });
    answer(0, { subtype: "error", error: "Unsupported", error_code: "unsupported_request" });
    const error = await reasonOf(asked);
    expect(error).toBeInstanceOf(ControlError);
    expect(error).toMatchObject({ message: "nope: Unsupported", code: "unsupported_request" });
  });

  it("take a process that does not answer in time for dead, and ignore what it says later", async () => {
    const { control, clock, answer } = channel();
    const failed = reasonOf(control.request({ subtype: "a" }));
    await clock.advance(1_000);
    expect(await failed).toMatchObject({ reason: "WORKER_DIED", facts: { timeoutMs: 1_000, request: "a" } });
    expect(() => answer(0, { subtype: "success" })).not.toThrow();
    expect(clock.pendingTimerCount).toBe(0);
  });

  it("are given up on abort, with its reason", async () => {
    const { control, clock } = channel();
    const abort = new AbortController();
    const failed = reasonOf(control.request({ subtype: "a" }, { signal: abort.signal }));
    abort.abort("gone");
    expect(await failed).toBe("gone");
    expect(await reasonOf(control.request({ subtype: "b" }, { signal: abort.signal }))).toBe("gone");
    expect(clock.pendingTimerCount).toBe(0);
  });

  it("all fail when the process goes, and later ones at once", async () => {
    const { control } = channel();
    const failed = reasonOf(control.request({ subtype: "a" }));
    const gone = new RunnerError("WORKER_DIED", "gone");
    control.close(gone);
    expect([await failed, await reasonOf(control.request({ subtype: "b" }))]).toEqual([gone, gone]);
  });
});

describe("a rewind", () => {
  const conversation = { firstUuid: "first", lastUuid: "last" };
  const good = { rewound: true, targetMessageUuid: "first", prefillText: "x", precedingAssistantUuid: null };
  it.each([
    [good, undefined],
    [{ rewound: false, reason: "stale_target" }, "rewind_stale_target"],
    [{ rewound: false }, "rewind_other"],
    [{ rewound: false, reason: "something_new" }, "rewind_other"],
    [{ ...good, targetMessageUuid: "last" }, "rewind_elsewhere"],
    [{ ...good, precedingAssistantUuid: "summary" }, "rewind_not_to_start"],
    [{ rewound: true, targetMessageUuid: "first" }, "rewind_not_to_start"],
  ])("with the answer %j is %s", (reply, problem) => {
    expect(rewindProblem(reply, conversation)?.failure).toBe(problem);
  });

  it("has the process's own word for the log, cut, and in no label", () => {
    const word = "x".repeat(1_000);
    expect(rewindProblem({ rewound: false, reason: word }, conversation)).toEqual({
      failure: "rewind_other",
      word: "x".repeat(80),
    });
  });
});
