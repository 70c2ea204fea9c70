/**
 * A client under test: its driver, started when it is first needed and again after a failure.
 */
import { Driver } from "./driver.ts";
import type { Language } from "./languages.ts";
import type {
  ChatAnswer,
  ChatCommand,
  Commands,
  ConversationAnswer,
  Hello,
  KeptAnswer,
  KeptCommand,
  SessionAnswer,
  SessionCommand,
  StreamAnswer,
  StreamCommand,
  Target,
  TextAnswer,
} from "./protocol.ts";

type StreamOptions = Omit<StreamCommand, "do" | "target" | "request">;
type SessionOptions = Omit<SessionCommand, "do" | "target" | "sessionId" | "prompts">;

export class ClientUnderTest {
  readonly language: Language;
  readonly #besides = new Map<number, ClientUnderTest>();
  #driver: Driver | undefined;

  constructor(language: Language) {
    this.language = language;
  }

  get hello(): Promise<Hello["hello"]> {
    return this.#running.hello;
  }

  call<K extends keyof Commands>(command: Commands[K][0]): Promise<Commands[K][1]> {
    const answer = this.#running.call<K>(command);
    // A behaviour that has failed already does not wait for the rest of its answers.
    answer.catch(() => {});
    return answer;
  }

  stream(target: Target, request: object, options: StreamOptions = {}): Promise<StreamAnswer> {
    return this.call<"stream">({ do: "stream", target, request, ...options });
  }

  text(target: Target, request: object): Promise<TextAnswer> {
    return this.call<"text">({ do: "text", target, request });
  }

  chat(target: Target, request: object, options: Pick<ChatCommand, "idempotent"> = {}): Promise<ChatAnswer> {
    return this.call<"chat">({ do: "chat", target, request, ...options });
  }

  session(
    target: Target,
    sessionId: string,
    prompts: readonly string[],
    options: SessionOptions = {},
  ): Promise<SessionAnswer> {
    return this.call<"session">({ do: "session", target, sessionId, prompts, ...options });
  }

  kept(target: Target, method: KeptCommand["method"], request: object): Promise<KeptAnswer> {
    return this.call<"kept">({ do: "kept", target, method, request });
  }

  conversation(target: Target, prompts: readonly string[]): Promise<ConversationAnswer> {
    return this.call<"conversation">({ do: "conversation", target, prompts });
  }

  /** The same client in another process, for what happens while this one is in a call. */
  beside(number = 1): ClientUnderTest {
    const other = this.#besides.get(number) ?? new ClientUnderTest(this.language);
    this.#besides.set(number, other);
    return other;
  }

  /** The end of what the drivers wrote to stderr. */
  get stderr(): string {
    return [this.#driver?.stderr ?? "", ...[...this.#besides.values()].map(({ stderr }) => stderr)].join("").trim();
  }

  /** After a failure nobody knows what a driver is doing: the next behaviour gets fresh ones. */
  async discard(): Promise<void> {
    const driver = this.#driver;
    this.#driver = undefined;
    await Promise.all([driver?.kill(), ...[...this.#besides.values()].map((other) => other.discard())]);
    this.#besides.clear();
  }

  async end(): Promise<void> {
    const driver = this.#driver;
    this.#driver = undefined;
    await Promise.all([driver?.end(), ...[...this.#besides.values()].map((other) => other.end())]);
    this.#besides.clear();
  }

  get #running(): Driver {
    this.#driver ??= new Driver(this.language);
    return this.#driver;
  }
}
