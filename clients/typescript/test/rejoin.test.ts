import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { ErrorReason } from "../src/gen/claude/runner/v1/error_pb.ts";
import { Outcome } from "../src/gen/claude/runner/v1/result_pb.ts";
import { type StreamChatResponse, StreamChatResponseSchema } from "../src/gen/claude/runner/v1/runner_pb.ts";
import { type AttachTurnResponse, AttachTurnResponseSchema, TurnState } from "../src/gen/claude/runner/v1/turn_pb.ts";
import { ErrorInfoSchema } from "../src/gen/google/rpc/error_details_pb.ts";
import { type RejoinOptions, rejoined } from "../src/rejoin.ts";
import { defaultRejoinPolicy, pauseMs, reasonOf } from "../src/rejoin-policy.ts";

const cut = () => new ConnectError("the connection broke", Code.Unavailable);
const failure = (reason: string, code: Code) =>
  new ConnectError(reason, code, undefined, [{ desc: ErrorInfoSchema, value: { domain: "claude-runner", reason } }]);

const text = (sequence: number): StreamChatResponse =>
  create(StreamChatResponseSchema, {
    sequence,
    turnId: "turn",
    event: { case: "textDelta", value: { text: String(sequence) } },
  });
const beat = (sequence: number): StreamChatResponse =>
  create(StreamChatResponseSchema, { sequence, turnId: "turn", event: { case: "heartbeat", value: {} } });
const result = (
  sequence: number,
  outcome: Outcome = Outcome.COMPLETED,
  reason: ErrorReason = ErrorReason.UNSPECIFIED,
): StreamChatResponse =>
  create(StreamChatResponseSchema, {
    sequence,
    turnId: "turn",
    event: { case: "result", value: { outcome, ...(reason !== 0 && { error: { reason, message: "said" } }) } },
  });
const attached = (message: AttachTurnResponse["message"]): AttachTurnResponse => {
  const response = create(AttachTurnResponseSchema);
  response.message = message;
  return response;
};

/** What a call gives: events, or what it fails with. */
type Step =
  | StreamChatResponse
  | { readonly gap: readonly [number, number] }
  | { readonly state: TurnState }
  /** Nothing comes any more; the first time for more than an hour. */
  | "silence"
  | ConnectError;

/** Plays calls one after the other, and writes down what was called and seen. Time passes by pauses alone. */
function play(
  script: readonly (readonly Step[])[],
  { isOthers = false, ...change }: Partial<RejoinOptions> & { readonly isOthers?: boolean } = {},
) {
  const calls: string[] = [];
  const seen: number[] = [];
  const waits: number[] = [];
  const left = [...script];
  let nowMs = 0;
  const next = () => left.shift() ?? [cut()];
  const alarms = new Set<() => void>();
  let hasSlept = false;
  const silence = (signal: AbortSignal): never => {
    if (!hasSlept) nowMs += 3_600_000;
    hasSlept = true;
    for (const fire of alarms) fire();
    throw signal.aborted ? new ConnectError("aborted", Code.Canceled) : new Error("it would be silent for ever");
  };
  async function* events(signal: AbortSignal): AsyncGenerator<StreamChatResponse, void> {
    for (const step of next()) {
      if (step instanceof ConnectError) throw step;
      if (step === "silence") return silence(signal);
      if ("gap" in step || "state" in step) throw new Error("only an attached stream has this");
      yield step;
    }
  }
  async function* attachedEvents(signal: AbortSignal): AsyncGenerator<AttachTurnResponse, void> {
    for (const step of next()) {
      if (step instanceof ConnectError) throw step;
      if (step === "silence") return silence(signal);
      if ("gap" in step) {
        const [firstSequence, lastSequence] = step.gap;
        yield create(AttachTurnResponseSchema, { message: { case: "gap", value: { firstSequence, lastSequence } } });
      } else if ("state" in step) {
        yield create(AttachTurnResponseSchema, {
          message: { case: "state", value: { id: "turn", state: step.state } },
        });
      } else yield attached({ case: "event", value: step });
    }
  }
  const stream = rejoined(
    {
      ...(!isOthers && {
        send: (signal) => {
          calls.push("send");
          return events(signal);
        },
      }),
      attach: (after, signal) => {
        calls.push(`attach ${after}`);
        return attachedEvents(signal);
      },
    },
    {
      signal: new AbortController().signal,
      time: {
        now: () => nowMs,
        async wait(ms) {
          waits.push(ms);
          nowMs += ms;
        },
        random: () => 0.5,
        alarm: (ms, fire) => {
          const rings = () => {
            nowMs += ms;
            fire();
          };
          alarms.add(rings);
          return () => alarms.delete(rings);
        },
      },
      ...change,
    },
  );
  const read = async (): Promise<ConnectError | undefined> => {
    try {
      for await (const { sequence, event } of stream) seen.push(event.case === "gap" ? -sequence : sequence);
      return undefined;
    } catch (error) {
      return ConnectError.from(error);
    }
  };
  return { read, calls, seen, waits, alarmCount: () => alarms.size };
}

describe("a stream that rejoins its turn", () => {
  it("is one call while nothing breaks", async () => {
    const { read, calls, seen } = play([[text(1), result(2)]]);
    expect(await read()).toBeUndefined();
    expect(seen).toEqual([1, 2]);
    expect(calls).toEqual(["send"]);
  });

  it("goes on behind the last event, as often as it breaks, with none lost and none twice", async () => {
    const { read, calls, seen } = play([[text(1), text(2), cut()], [cut()], [text(3), cut()], [text(4), result(5)]]);
    expect(await read()).toBeUndefined();
    expect(seen).toEqual([1, 2, 3, 4, 5]);
    expect(calls).toEqual(["send", "attach 2", "attach 2", "attach 3"]);
  });

  it("goes on when it was read too slowly, and when the server takes no calls at the moment", async () => {
    const slow = failure("READER_BEHIND", Code.Aborted);
    const draining = failure("POOL_DRAINING", Code.Unavailable);
    const unavailable = failure("STORE_UNAVAILABLE", Code.Unavailable);
    const { read, seen } = play([[draining], [unavailable], [text(1), slow], [text(2), result(3)]]);
    expect(await read()).toBeUndefined();
    expect(seen).toEqual([1, 2, 3]);
  });

  it("ends at the deadline of a call, unless it is to outlive it", async () => {
    const late = failure("DEADLINE_EXCEEDED", Code.DeadlineExceeded);
    const script = [
      [text(1), late],
      [text(2), result(3)],
    ];
    const ended = play(script);
    expect((await ended.read())?.code).toBe(Code.DeadlineExceeded);
    expect(ended.calls).toEqual(["send"]);
    const outlived = play(script, { policy: { ...defaultRejoinPolicy, outlivesDeadline: true } });
    expect(await outlived.read()).toBeUndefined();
    expect(outlived.seen).toEqual([1, 2, 3]);
  });

  it("goes on behind the event that it was told to begin after, and has no request to send", async () => {
    const { read, calls, seen } = play([[cut()], [text(4), cut()], [text(5), result(6)]], {
      isOthers: true,
      from: { call: "attach", afterSequence: 3 },
    });
    expect(await read()).toBeUndefined();
    expect(calls).toEqual(["attach 3", "attach 3", "attach 4"]);
    expect(seen).toEqual([4, 5, 6]);
    const unknown = play([[failure("TURN_NOT_FOUND", Code.NotFound)]], { isOthers: true });
    expect(reasonOf((await unknown.read()) as ConnectError)).toBe("TURN_NOT_FOUND");
    expect(unknown.calls).toEqual(["attach 0"]);
  });

  it("attaches again when an attached stream ends as if it were over, unless the turn has ended", async () => {
    const cutShort = play([[text(1), cut()], [{ state: TurnState.RUNNING }, text(2)], [result(3)]]);
    expect(await cutShort.read()).toBeUndefined();
    expect(cutShort.seen).toEqual([1, 2, 3]);
    const gone = play([[text(1), cut()], [{ state: TurnState.ENDED }]]);
    expect((await gone.read())?.code).toBe(Code.DataLoss);
    expect(gone.calls).toEqual(["send", "attach 1"]);
  });

  it.each([
    ["its connection was reset", Code.Aborted],
    ["it was cut in the midst of a message", Code.InvalidArgument],
    ["a proxy has lost the server", Code.Unavailable],
  ])("goes on when %s", async (_, code) => {
    const { read, seen } = play([
      [text(1), new ConnectError("cut", code)],
      [text(2), result(3)],
    ]);
    expect(await read()).toBeUndefined();
    expect(seen).toEqual([1, 2, 3]);
  });

  it("has no patience with what it would only meet again", async () => {
    const { read, calls } = play([[text(1), new ConnectError("larger than 4 MiB", Code.ResourceExhausted)]]);
    expect((await read())?.code).toBe(Code.ResourceExhausted);
    expect(calls).toEqual(["send"]);
  });

  it("sends the request again when the server does not know it, and skips what it has seen", async () => {
    const unknown = failure("TURN_NOT_FOUND", Code.NotFound);
    const { read, calls, seen } = play([[cut()], [unknown], [text(1), cut()], [text(2), result(3)]]);
    expect(await read()).toBeUndefined();
    expect(calls).toEqual(["send", "attach 0", "send", "attach 1"]);
    expect(seen).toEqual([1, 2, 3]);
  });

  it("fails when a turn that had begun is known no more", async () => {
    const { read, calls } = play([[text(1), cut()], [failure("TURN_NOT_FOUND", Code.NotFound)]]);
    expect(reasonOf((await read()) as ConnectError)).toBe("TURN_NOT_FOUND");
    expect(calls).toEqual(["send", "attach 1"]);
  });

  it.each([
    ["QUEUE_FULL", Code.Unavailable],
    ["INVALID_REQUEST", Code.InvalidArgument],
    ["SESSION_BUSY", Code.FailedPrecondition],
    ["REQUEST_ID_REUSED", Code.AlreadyExists],
  ] as const)("does not insist when the turn is refused with %s", async (reason, code) => {
    const { read, calls } = play([[failure(reason, code)]]);
    expect(reasonOf((await read()) as ConnectError)).toBe(reason);
    expect(calls).toEqual(["send"]);
  });

  it("does not insist when something on the way refuses it", async () => {
    const { read, calls } = play([[new ConnectError("HTTP 403", Code.PermissionDenied)]]);
    expect((await read())?.code).toBe(Code.PermissionDenied);
    expect(calls).toEqual(["send"]);
  });

  it("fails as the first call would have, when the turn failed", async () => {
    const died = result(2, Outcome.WORKER_DIED, ErrorReason.WORKER_DIED);
    const { read, seen } = play([[text(1), cut()], [died]]);
    const error = (await read()) as ConnectError;
    expect(seen).toEqual([1, 2]);
    expect([error.code, reasonOf(error), error.rawMessage]).toEqual([Code.Aborted, "WORKER_DIED", "said"]);
    expect(error.findDetails(ErrorInfoSchema)[0]?.metadata).toEqual({ turnId: "turn", lastSequence: "2" });
  });

  it("has the code of the model API's failure, which is ABORTED behind text", async () => {
    const overloaded = (at: number) => result(at, Outcome.UPSTREAM_ERROR, ErrorReason.UPSTREAM_OVERLOADED);
    expect((await play([[cut()], [overloaded(1)]]).read())?.code).toBe(Code.Unavailable);
    expect((await play([[text(1), cut()], [overloaded(2)]]).read())?.code).toBe(Code.Aborted);
  });

  it("ends by its result when it is cut between that and the status", async () => {
    expect(await play([[text(1), result(2), cut()]]).read()).toBeUndefined();
    const stopped = result(1, Outcome.INTERRUPTED, ErrorReason.TURN_INTERRUPTED);
    expect(reasonOf((await play([[stopped, cut()]]).read()) as ConnectError)).toBe("TURN_INTERRUPTED");
  });

  it("shows a gap as an event, and passes heartbeats on", async () => {
    const { read, seen } = play([
      [text(1), beat(1), cut()],
      [{ gap: [2, 4] }, beat(4), result(5)],
    ]);
    expect(await read()).toBeUndefined();
    expect(seen).toEqual([1, 1, -4, 4, 5]);
  });

  it("gives up when nothing new has come for the time of its policy, and not before", async () => {
    const { read, waits, calls } = play([[text(1), cut()]]);
    const error = await read();
    expect(error?.rawMessage).toBe("the connection broke");
    // The turn may run.
    expect(error?.metadata.get("grpc-retry-pushback-ms")).toBe("-1");
    const waitedMs = waits.reduce((sum, ms) => sum + ms, 0);
    expect(waitedMs).toBeGreaterThanOrEqual(defaultRejoinPolicy.maxQuietMs);
    expect(waitedMs - (waits.at(-1) ?? 0)).toBeLessThan(defaultRejoinPolicy.maxQuietMs);
    expect(calls.filter((call) => call !== "send")).toEqual(waits.map(() => "attach 1"));
  });

  it("gives up with what the server said of the break, if it said something", async () => {
    const { read } = play([[text(1), failure("DRAINED", Code.Aborted)]]);
    expect(reasonOf((await read()) as ConnectError)).toBe("DRAINED");
  });

  it("ends with the reason of its signal, and calls nothing more", async () => {
    const abort = new AbortController();
    const { read, calls } = play([[text(1), cut()]], {
      signal: abort.signal,
      onBreak: () => abort.abort(new ConnectError("enough", Code.Canceled)),
    });
    expect((await read())?.rawMessage).toBe("enough");
    expect(calls).toEqual(["send"]);
  });

  it("takes a stream that has fallen silent for broken, though the computer may have slept for longer than anybody waits", async () => {
    const told: string[] = [];
    const { read, calls, seen, alarmCount } = play(
      [[text(1), beat(1), "silence"], ["silence"], [text(2), "silence"], [text(3), result(4)]],
      { onBreak: (error) => told.push(error?.rawMessage ?? "there again") },
    );
    expect(await read()).toBeUndefined();
    expect(seen).toEqual([1, 1, 2, 3, 4]);
    expect(calls).toEqual(["send", "attach 1", "attach 1", "attach 2"]);
    const silent = (seconds: number) => `the stream brought nothing for ${seconds} s, not even a heartbeat`;
    // An attached stream begins at once, unless its connection is gone as well.
    expect(told).toEqual([silent(40), silent(10), "there again", silent(40), "there again"]);
    expect(alarmCount()).toBe(0);
  });

  it("takes the answer to AttachTurn for a sign of a turn that is quiet for long, of a server whose heartbeats are rare", async () => {
    const silent = [{ state: TurnState.RUNNING }, "silence"] as const;
    const { read, seen } = play([[text(1), "silence"], silent, silent, silent, silent, [text(2), result(3)]]);
    expect(await read()).toBeUndefined();
    expect(seen).toEqual([1, 2, 3]);
  });

  it("waits until one of the turn's readers goes, when it has all that it may have", async () => {
    const full = failure("QUOTA_EXCEEDED", Code.ResourceExhausted);
    const { read, calls } = play([[full], [full], [text(1), result(2)]], { isOthers: true });
    expect(await read()).toBeUndefined();
    expect(calls).toEqual(["attach 0", "attach 0", "attach 0"]);
  });

  it("takes a gap for content that has come, when the turn has failed behind it", async () => {
    const failed = result(4, Outcome.UPSTREAM_ERROR, ErrorReason.UPSTREAM_OVERLOADED);
    const { read } = play([[cut()], [{ gap: [1, 3] }, failed]]);
    expect((await read())?.code).toBe(Code.Aborted);
  });

  it("waits for ever for a silent stream where its policy says so", async () => {
    const { read } = play([[text(1), "silence"]], {
      policy: { ...defaultRejoinPolicy, maxSilenceMs: 0, maxQuietMs: 0 },
    });
    expect((await read())?.rawMessage).toBe("it would be silent for ever");
  });

  it("ends with the reason of its signal while it is silent", async () => {
    const abort = new AbortController();
    const { read, seen } = play([[text(1), "silence"]], {
      signal: abort.signal,
      policy: { ...defaultRejoinPolicy, maxSilenceMs: 1 },
      onBreak: () => abort.abort(new ConnectError("enough", Code.Canceled)),
    });
    expect((await read())?.rawMessage).toBe("enough");
    expect(seen).toEqual([1]);
  });

  it("says when it is broken, and when it is there again", async () => {
    const told: string[] = [];
    const { read } = play([[text(1), cut()], [cut()], [text(2), result(3)]], {
      onBreak: (error) => told.push(error?.rawMessage ?? "there again"),
    });
    await read();
    expect(told).toEqual(["the connection broke", "the connection broke", "there again"]);
  });
});

it("the pauses between tries double up to a bound, give or take a quarter; the first try is made at once", () => {
  const pauses = [0, 1, 2, 3, 9].map((count) => pauseMs(defaultRejoinPolicy, count, () => 0.5));
  expect(pauses).toEqual([0, 200, 400, 800, 10_000]);
  expect([0, 1].map((random) => pauseMs(defaultRejoinPolicy, 3, () => random))).toEqual([600, 1_000]);
});
