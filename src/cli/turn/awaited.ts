/**
 * Whom a turn is waiting for, by what the CLI said last: a silence means something else for each of them.
 */

import { parentOf } from "../mapping/mapped-turn.ts";
import type { CliMessage } from "../protocol/cli-messages.ts";
import { objectAt, textAt } from "../protocol/json-members.ts";

/** `worker`: neither the model nor a tool, so the CLI itself is to go on. */
export type Awaited = "model" | "tool" | "worker";

/** Follows the main conversation: a sub-agent is a tool of it. */
export class AwaitedParty {
  #party: Awaited = "worker";

  get party(): Awaited {
    return this.#party;
  }

  /** Takes every message of the turn, in order. Nearly all are deltas, which must cost nothing here. */
  see({ kind, body }: CliMessage): void {
    switch (kind) {
      case "status":
        // Also `compacting`, which is a call of the model as well.
        if (textAt(body, "status") !== "") this.#party = "model";
        return;
      case "apiRetry":
        this.#party = "model";
        return;
      case "streamEvent":
        if (parentOf(body) === "") this.#seeStream(objectAt(body, "event"), body.abandoned_blocks !== undefined);
        return;
      case "assistant":
        // An answer that was not streamed comes whole.
        if (parentOf(body) === "") this.#stopped(textAt(objectAt(body, "message"), "stop_reason"));
        return;
      default:
        return;
    }
  }

  #seeStream(event: ReturnType<typeof objectAt>, isAbandoned: boolean): void {
    if (event.type === "message_start" || (event.type === "message_stop" && isAbandoned)) this.#party = "model";
    else if (event.type === "message_delta") this.#stopped(textAt(objectAt(event, "delta"), "stop_reason"));
  }

  #stopped(reason: string): void {
    if (reason !== "") this.#party = reason === "tool_use" ? "tool" : "worker";
  }
}
