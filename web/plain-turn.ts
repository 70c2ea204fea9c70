/**
 * A turn outside of sessions, under a profile that keeps no words: it ends with its connection, and cannot be found again.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { StreamChatRequestSchema } from "../clients/typescript/src/gen/claude/runner/v1/runner_pb.ts";
import type { Api } from "./api.ts";
import { Call, type CallSettings } from "./call.ts";
import { type RunningTurn, takeAll } from "./running-turn.ts";
import type { Turn, TurnEnd } from "./turn.ts";
import { endOfStream } from "./turn-end.ts";

export class PlainTurn implements RunningTurn {
  readonly #call: Call;
  readonly #read: () => Promise<TurnEnd>;

  constructor(
    api: Api,
    request: MessageInitShape<typeof StreamChatRequestSchema>,
    settings: CallSettings,
    { turn, draw }: { readonly turn: Turn; readonly draw: () => void },
  ) {
    const call = new Call(settings);
    this.#call = call;
    this.#read = async () => {
      try {
        await takeAll(api.runner.streamChat(request, call.options), turn, draw);
        if (turn.result === undefined) throw new Error("the stream ended without a result");
        return endOfStream(turn, undefined, false);
      } catch (error) {
        return endOfStream(turn, error, call.wasCancelled);
      } finally {
        call.over();
      }
    };
  }

  end(): Promise<TurnEnd> {
    return this.#read();
  }

  cancel(): void {
    this.#call.cancel();
  }

  leave(): void {
    this.#call.cancel();
  }
}
