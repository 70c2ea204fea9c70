/**
 * The floor: a CLI process that is kept, on raw pipes, with the reset between turns that the server's workers get. What
 * a server adds is measured against it.
 */
import { randomUUID } from "node:crypto";
import { promptLine, RawCli, type RawCliOptions, type TurnTimes, timesOfTurn } from "./raw-cli.ts";
import { defaultProfile } from "./workload.ts";

export interface HistoryPair {
  readonly question: string;
  readonly answer: string;
}

export class FloorWorker implements AsyncDisposable {
  readonly #cli: RawCli;

  static async start(options: RawCliOptions): Promise<FloorWorker> {
    const worker = new FloorWorker(new RawCli(options));
    await worker.#cli.control({ subtype: "initialize", systemPrompt: [defaultProfile.systemPrompt] });
    return worker;
  }

  private constructor(cli: RawCli) {
    this.#cli = cli;
  }

  /** One turn and the reset behind it. `times` does not hold the reset. */
  async turn(prompt: string, history: readonly HistoryPair[] = []): Promise<TurnTimes> {
    const uuid = randomUUID();
    const startedAtMs = performance.now();
    const firstUuid = await this.#seed(history);
    const result = this.#cli.until(timesOfTurn(startedAtMs));
    const idle = this.#cli.until((line) => (line.includes('"state":"completed"') && line.includes(uuid)) || undefined);
    this.#cli.write(promptLine(uuid, prompt));
    const times = await result;
    await idle;
    const reset = (await this.#cli.control({
      subtype: "rewind_conversation",
      target_message_uuid: firstUuid ?? uuid,
      last_seen_user_message_uuid: uuid,
    })) as { readonly rewound: boolean; readonly precedingAssistantUuid: string | null };
    if (!reset.rewound || reset.precedingAssistantUuid !== null) throw new Error("the CLI did not forget the turn");
    return times;
  }

  /** Hands a conversation over, question by question. Returns the uuid of its first line. */
  async #seed(history: readonly HistoryPair[]): Promise<string | undefined> {
    let first: string | undefined;
    for (const { question, answer } of history) {
      const uuid = randomUUID();
      first ??= uuid;
      const stored = this.#cli.until((line) => line.includes('"type":"result"') || undefined);
      this.#cli.write(JSON.stringify({ ...JSON.parse(promptLine(uuid, question)), shouldQuery: false }));
      await stored;
      this.#cli.write(
        JSON.stringify({
          type: "assistant",
          message: { role: "assistant", content: [{ type: "text", text: answer }] },
          parent_tool_use_id: null,
          session_id: "",
          uuid: randomUUID(),
        }),
      );
    }
    return first;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cli[Symbol.asyncDispose]();
  }
}
