import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseLine } from "../../../src/cli/protocol/cli-messages.ts";
import { advance, oddityOf } from "../../../src/cli/turn/advance.ts";
import {
  hasStarted,
  isOpen,
  type Progress,
  promptNumberOf,
  type TurnState,
  type TurnStateKind,
  turnMoves,
} from "../../../src/cli/turn/turn-state.ts";

const prompt = { id: "ours", number: () => 3 };
const waiting: TurnState = { kind: "waiting", session: "unknown" };
const early = { cause: "cancelled", shows: "nothing", cutModelCall: undefined } as const;

const lifecycle = (state: string, uuid = prompt.id) => ({ type: "command_lifecycle", command_uuid: uuid, state });
const session = (state: string) => ({ type: "system", subtype: "session_state_changed", state });
const result = (uuids: readonly string[] | null = [prompt.id], more = {}) => ({
  type: "result",
  ...(uuids !== null && { user_message_uuids: uuids }),
  ...more,
});
const delta = {
  type: "stream_event",
  event: { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "x" } },
};

/** The state after some messages, one after another. */
function stateAfter(messages: readonly object[], from: TurnState = waiting): TurnState {
  return messages.reduce<TurnState>((state, message) => {
    const line = JSON.stringify(message);
    return advance(state, prompt, parseLine(line)!, line, undefined);
  }, from);
}

describe("the life of a turn", () => {
  it("begins when the CLI names its prompt, and knows the prompt's number from its start", () => {
    expect(stateAfter([lifecycle("queued")])).toEqual({ kind: "running", session: "unknown", promptNumber: undefined });
    expect(stateAfter([session("running"), lifecycle("queued"), lifecycle("started")])).toEqual({
      kind: "running",
      session: "running",
      promptNumber: 3,
    });
    expect(stateAfter([lifecycle("started", "another's")])).toBe(waiting);
  });

  it("is not changed by what the model writes: the state stays the same object", () => {
    for (const state of [waiting, stateAfter([lifecycle("started")])])
      expect(stateAfter([delta, delta], state)).toBe(state);
  });

  it("has the result that names its prompt, or that names nobody and is not the CLI's own", () => {
    const running = stateAfter([lifecycle("started")]);
    for (const its of [result(), result(null), result(["a", prompt.id])]) {
      expect(stateAfter([its], running)).toMatchObject({
        kind: "resulted",
        promptNumber: 3,
        result: { message: { body: its } },
      });
    }
    for (const others of [result(["a"]), result(null, { origin: { kind: "task-notification" } })]) {
      expect(stateAfter([others], running)).toBe(running);
    }
    expect(stateAfter([result()])).toBe(waiting);
  });

  it("keeps what ended it early with its result", () => {
    const ending: TurnState = { kind: "ending", during: stateAfter([lifecycle("started")]) as Progress, early };
    expect(stateAfter([result()], ending)).toMatchObject({ kind: "resulted", early });
  });

  it.each<[string, readonly object[], TurnStateKind]>([
    ["idle when the process says so before its prompt's life ends", [session("idle"), lifecycle("completed")], "idle"],
    ["idle when the process says so after its prompt's life ended", [lifecycle("completed"), session("idle")], "idle"],
    ["not idle before its prompt's life ends", [session("idle")], "resulted"],
    ["not idle before the process says so", [lifecycle("completed")], "resulted"],
  ])("is %s", (_, messages, kind) => {
    const resulted = stateAfter([session("running"), lifecycle("started"), result()]);
    expect(resulted.kind).toBe("resulted");
    expect(stateAfter(messages, resulted).kind).toBe(kind);
    // The same once its end has been told.
    const settling: TurnState = { kind: "settling", hasStarted: true, session: "running", lifeIsOver: false };
    expect(stateAfter(messages, settling).kind).toBe(kind === "resulted" ? "settling" : kind);
  });

  it("is over at once where the CLI says nothing of its session", () => {
    expect(stateAfter([lifecycle("started"), lifecycle("completed")])).toEqual({ kind: "idle", hasStarted: true });
  });

  it("is over without a result when its prompt is cancelled before it started", () => {
    const state = stateAfter([session("running"), lifecycle("queued"), lifecycle("cancelled")]);
    expect(state).toEqual({ kind: "settling", hasStarted: false, session: "running", lifeIsOver: true });
    expect(stateAfter([session("idle")], state)).toEqual({ kind: "idle", hasStarted: false });
  });

  it("goes on within a question of the CLI's, and within its ending", () => {
    const asking: TurnState = { kind: "asking", during: { kind: "waiting", session: "unknown" } };
    const started = stateAfter([session("running"), lifecycle("started")], asking);
    expect(started).toEqual({ kind: "asking", during: { kind: "running", session: "running", promptNumber: 3 } });
    expect(stateAfter([result()], started)).toMatchObject({ kind: "resulted", session: "running" });
    expect(stateAfter([result()], asking)).toBe(asking);
    const ending: TurnState = { kind: "ending", during: { kind: "waiting", session: "idle" }, early };
    expect(stateAfter([lifecycle("cancelled")], ending)).toEqual({ kind: "idle", hasStarted: false });
  });
});

describe("an oddity of a process", () => {
  const oddity = (state: TurnState, message: object) => oddityOf(state, prompt, parseLine(JSON.stringify(message))!);
  const running = stateAfter([lifecycle("started")]);
  const resulted = stateAfter([result()], running);

  it.each<[string, TurnState, object, string | undefined]>([
    ["a result before the prompt was named", waiting, result(), "foreign_turn"],
    ["a result of another turn", running, result(["a"]), "foreign_turn"],
    ["its result", running, result(), undefined],
    ["a second result", resulted, result(), "second_result"],
    ["another's result after its own", resulted, result(["a"]), "foreign_turn"],
    ["the end of a started prompt without a result", running, lifecycle("completed"), "unexpected_end"],
    ["the end of a prompt that had not started", stateAfter([lifecycle("queued")]), lifecycle("cancelled"), undefined],
    ["the end of a prompt after its result", resulted, lifecycle("completed"), undefined],
    ["the end of another's prompt", running, lifecycle("completed", "a"), undefined],
    ["a delta", running, delta, undefined],
  ])("is known: %s", (_, state, message, expected) => {
    expect(oddity(state, message)).toBe(expected);
  });
});

describe("any order of what a process may say", () => {
  const said = fc.constantFrom<object>(
    ...["queued", "started", "completed", "cancelled", "odd"].map((state) => lifecycle(state)),
    lifecycle("started", "another's"),
    lifecycle("completed", "another's"),
    ...["running", "requires_action", "idle"].map(session),
    result(),
    result(null),
    result(["another's"]),
    delta,
    { type: "system", subtype: "init" },
    { type: "control_request", request_id: "R", request: { subtype: "can_use_tool" } },
  );
  /** What happens beside it: a question, an answer, a first cause, the telling of the end. */
  const done = fc.constantFrom<(state: TurnState) => TurnState>(
    (state) => (state.kind === "waiting" || state.kind === "running" ? { kind: "asking", during: state } : state),
    (state) => (state.kind === "asking" ? state.during : state),
    (state) =>
      state.kind === "waiting" || state.kind === "running" ? { kind: "ending", during: state, early } : state,
    (state) =>
      state.kind === "resulted"
        ? { kind: "settling", hasStarted: true, session: state.session, lifeIsOver: state.lifeIsOver }
        : state,
  );
  const ranks = { waiting: 0, running: 1, asking: -1, ending: -1, resulted: 2, settling: 3, abandoned: 4, idle: 5 };
  /** How far a turn is. A question or an interrupt is as far as what it is within. */
  const rank = (state: TurnState): number => ("during" in state ? ranks[state.during.kind] : ranks[state.kind]);

  it("gives at most one result and one end, and never goes back", () => {
    let endedCount = 0;
    fc.assert(
      fc.property(fc.array(fc.oneof({ weight: 3, arbitrary: said }, { weight: 1, arbitrary: done })), (steps) => {
        let state: TurnState = waiting;
        let [resultCount, endCount] = [0, 0];
        for (const step of steps) {
          const next: TurnState = typeof step === "function" ? step(state) : stateAfter([step], state);
          expect(turnMoves[state.kind]).toEqual(
            next === state ? expect.anything() : expect.arrayContaining([next.kind]),
          );
          if (next.kind === "resulted" && state.kind !== "resulted") resultCount += 1;
          if (isOpen(state) && !isOpen(next)) endCount += 1;
          expect(rank(next)).toBeGreaterThanOrEqual(rank(state));
          // What is known stays known.
          if (hasStarted(state)) expect(hasStarted(next)).toBe(true);
          if (isOpen(state) && isOpen(next) && promptNumberOf(state) !== undefined)
            expect(promptNumberOf(next)).toBe(3);
          if (state.kind === "ending") expect(next.kind).not.toBe("asking");
          state = next;
        }
        expect(resultCount).toBeLessThanOrEqual(1);
        expect(endCount).toBe(isOpen(state) ? 0 : 1);
        if (endCount > 0) endedCount += 1;
      }),
      { numRuns: 2_000 },
    );
    expect(endedCount).toBeGreaterThan(100);
  });
});
