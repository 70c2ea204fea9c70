/**
 * What the process says about the life of a turn, as a pure step: a state and a message to the next state.
 *
 * Each line of the process is looked at here; nearly all change nothing, and then the state is the same object. Leaves out
 * what the lines mean to the turn's reader, and what is decided here: interrupts, limits, questions, kills.
 */
import type { Taint } from "../mapping/turn-notes.ts";
import type { CliMessage } from "../protocol/cli-messages.ts";
import { textAt } from "../protocol/json-members.ts";
import type { Charge } from "./charges.ts";
import { isResultOf } from "./end-of-turn.ts";
import {
  earlyEndOf,
  hasStarted,
  isUnfinished,
  type Progress,
  progressOf,
  promptNumberOf,
  type SessionState,
  type TurnState,
  type UnfinishedState,
} from "./turn-state.ts";

/** The prompt that a turn is about. */
export interface OwnPrompt {
  readonly id: string;
  /** User lines that the process has taken so far, this one included once it has started. */
  number(): number;
}

/** `line` is the message as it came, and `charge` what it is charged for: both matter of a result only. */
export function advance(
  state: TurnState,
  prompt: OwnPrompt,
  message: CliMessage,
  line: string,
  charge: Charge | undefined,
): TurnState {
  const { kind, body } = message;
  switch (kind) {
    case "lifecycle":
      return body.command_uuid === prompt.id ? afterLifecycle(state, textAt(body, "state"), prompt) : state;
    case "sessionState":
      return afterSessionState(state, body.state === "idle" ? "idle" : "running");
    case "result":
      // Before the prompt was named a result is another's, and a turn that has one gets no other.
      if (!isUnfinished(state) || progressOf(state).kind === "waiting" || !isResultOf(body, prompt.id)) return state;
      return {
        kind: "resulted",
        result: { message, line, charge },
        promptNumber: promptNumberOf(state),
        early: earlyEndOf(state),
        session: progressOf(state).session,
        lifeIsOver: false,
      };
    default:
      return state;
  }
}

/** What there is in a message that must not be there, so that the process cannot be used again. */
export function oddityOf(state: TurnState, prompt: OwnPrompt, { kind, body }: CliMessage): Taint | undefined {
  if (kind === "result") {
    const isNamed = !isUnfinished(state) || progressOf(state).kind !== "waiting";
    if (!isNamed || !isResultOf(body, prompt.id)) return "foreign_turn";
    return isUnfinished(state) ? undefined : "second_result";
  }
  const isOver = kind === "lifecycle" && body.command_uuid === prompt.id && isLifeOver(textAt(body, "state"));
  return isOver && isUnfinished(state) && hasStarted(state) ? "unexpected_end" : undefined;
}

function isLifeOver(said: string): boolean {
  return said === "completed" || said === "cancelled";
}

function afterLifecycle(state: TurnState, said: string, prompt: OwnPrompt): TurnState {
  if (isUnfinished(state)) {
    const progress = progressOf(state);
    // Cancelled before it started, or ended without a word.
    if (isLifeOver(said)) return settled(hasStarted(state), progress.session, true);
    return withProgress(state, {
      kind: "running",
      session: progress.session,
      promptNumber: said === "started" ? prompt.number() : promptNumberOf(state),
    });
  }
  if (!isLifeOver(said)) return state;
  switch (state.kind) {
    case "resulted":
      return state.session === "running" ? { ...state, lifeIsOver: true } : settled(true, state.session, true);
    case "settling":
      return settled(state.hasStarted, state.session, true);
    default:
      return state;
  }
}

function afterSessionState(state: TurnState, session: SessionState): TurnState {
  if (isUnfinished(state)) return withProgress(state, { ...progressOf(state), session });
  switch (state.kind) {
    case "resulted":
      return state.lifeIsOver && session !== "running" ? settled(true, session, true) : { ...state, session };
    case "settling":
      return settled(state.hasStarted, session, state.lifeIsOver);
    default:
      return state;
  }
}

/** A turn whose end is told: idle once its prompt's life is over. Versions and settings without session states end so too. */
function settled(started: boolean, session: SessionState, lifeIsOver: boolean): TurnState {
  if (lifeIsOver && session !== "running") return { kind: "idle", hasStarted: started };
  return { kind: "settling", hasStarted: started, session, lifeIsOver };
}

function withProgress(state: UnfinishedState, progress: Progress): UnfinishedState {
  return state.kind === "asking" || state.kind === "ending" ? { ...state, during: progress } : progress;
}
