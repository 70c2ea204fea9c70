/**
 * Whether a model call of the main conversation is under way, and since when. For traces: when a turn is ended in the
 * middle of one, nobody else tells of it.
 *
 * Sub-agents' calls are not seen here: they do not stream.
 */
import type { Clock } from "../../clock.ts";
import type { CutModelCall } from "../../turn-end.ts";
import { parentOf } from "../mapping/mapped-turn.ts";
import type { CliMessage } from "../protocol/cli-messages.ts";
import { objectAt, textAt } from "../protocol/json-members.ts";

export class ModelCallWatch {
  readonly #clock: Clock;
  #call: Omit<CutModelCall, "endedAtMs"> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes every message of the turn, in order. Nearly all are deltas, which must cost nothing here. */
  see({ kind, body }: CliMessage): void {
    if (kind === "status") {
      if (body.status === "requesting") this.#call = { startedAtMs: this.#clock.now() };
      return;
    }
    if (kind !== "streamEvent") return;
    const event = objectAt(body, "event");
    if (event.type === "message_start" && parentOf(body) === "") {
      const nowMs = this.#clock.now();
      const model = textAt(objectAt(event, "message"), "model");
      // Another attempt at the same call may begin a message anew: the first answer counts.
      this.#call = { startedAtMs: nowMs, answeredAtMs: nowMs, model, ...this.#call };
    } else if (event.type === "message_stop" && body.abandoned_blocks === undefined && parentOf(body) === "") {
      this.#call = undefined;
    }
  }

  /** The call that is under way, ended now. `undefined`: there is none. */
  cut(): CutModelCall | undefined {
    return this.#call && { ...this.#call, endedAtMs: this.#clock.now() };
  }
}
