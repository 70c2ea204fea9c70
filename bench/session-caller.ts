/**
 * A caller with one session at a time, each of whose turns must have come by its conversation in the way that is measured.
 */
import { randomUUID } from "node:crypto";
import type { Client } from "@connectrpc/connect";
import type { SessionService } from "../gen/claude/runner/v1/session_pb.ts";
import { clientsOf } from "./proofs/crash-load.ts";
import { grpcClient, type ServedTurn, type ServerTarget, type TurnClient } from "./turn-client.ts";

/** As in the contract, `started.conversation_source`. */
export type ConversationName = "NEW" | "KEPT" | "RESUMED";

export class SessionCaller implements Disposable {
  readonly #client: TurnClient;
  readonly #sessions: Client<typeof SessionService>;
  readonly #profile: string;
  #id: string;

  /** `id`: of a session that may be there already. */
  constructor(target: ServerTarget, profile: string, id: string = randomUUID()) {
    this.#client = grpcClient(target);
    this.#sessions = clientsOf(target, target.token)[0].sessions;
    this.#profile = profile;
    this.#id = id;
  }

  async turn(prompt: string, wanted: ConversationName): Promise<ServedTurn> {
    const session = { id: this.#id, allowMissing: true };
    const turn = await this.#client.turn({ profile: this.#profile, prompt, session });
    if (turn.conversationSource !== wanted) {
      throw new Error(`a turn's conversation was ${turn.conversationSource} instead of ${wanted}`);
    }
    return turn;
  }

  /** Deletes the session: the next turn is the first of another. */
  async leave(): Promise<void> {
    await this.#sessions.deleteSession({ id: this.#id });
    this.#id = randomUUID();
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }
}
