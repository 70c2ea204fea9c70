/**
 * The two ways in which `chat` goes on with a conversation: it has the words itself and sends them along, or the server
 * keeps them in a session.
 */
import { createClient } from "@connectrpc/connect";
import { SessionService } from "../../gen/claude/runner/v1/session_pb.ts";
import type { Conversation } from "./chat-history.ts";
import { type ChatTurnEnd, type ChatTurnOptions, chatTurn, sessionTurn } from "./chat-turn.ts";
import { UsageError } from "./command.ts";
import type { Connection } from "./connection.ts";
import { exitCodes } from "./exit-codes.ts";
import { lastSession, rememberSession } from "./last-session.ts";
import { counted, singleLine } from "./terminal.ts";

export interface Talk {
  ask(prompt: string, options: ChatTurnOptions): Promise<ChatTurnEnd>;
  /** Where the conversation stands, for the person who begins to type. Empty: at its beginning. */
  standing(): Promise<string>;
}

/** The words are here. */
export class LocalTalk implements Talk {
  readonly #conversation: Conversation;

  constructor(conversation: Conversation) {
    this.#conversation = conversation;
  }

  async ask(prompt: string, options: ChatTurnOptions): Promise<ChatTurnEnd> {
    const request = { ...options.request, prompt, history: this.#conversation.messages };
    const end = await chatTurn({ ...options, request });
    const isAnswered = end.exitCode === exitCodes.ok || end.exitCode === exitCodes.incomplete;
    if (isAnswered) this.#conversation.add(prompt, end.text);
    return end;
  }

  async standing(): Promise<string> {
    const turnCount = this.#conversation.said.length / 2;
    return turnCount === 0 ? "" : `turn ${turnCount + 1}`;
  }
}

/** The words are the server's. */
export class SessionTalk implements Talk {
  readonly #id: string;
  readonly #mayMake: boolean;
  readonly #connection: Connection;
  readonly #env: NodeJS.ProcessEnv;

  /** `mayMake`: whether it is made when it is not there. */
  constructor(
    id: string,
    options: { readonly mayMake: boolean; readonly connection: Connection; readonly env: NodeJS.ProcessEnv },
  ) {
    this.#id = id;
    this.#mayMake = options.mayMake;
    this.#connection = options.connection;
    this.#env = options.env;
  }

  async ask(prompt: string, options: ChatTurnOptions): Promise<ChatTurnEnd> {
    const session = { id: this.#id, allowMissing: this.#mayMake, title: titleOf(prompt) };
    const end = await sessionTurn({ ...options, request: { ...options.request, prompt, session } });
    if (end.hasBegun) rememberSession(this.#env, this.#connection.url, this.#id);
    return end;
  }

  async standing(): Promise<string> {
    const named = `session ${singleLine(this.#id)}`;
    try {
      const { session } = await createClient(SessionService, this.#connection.transport).getSession({ id: this.#id });
      const title = session?.title === undefined || session.title === "" ? "" : ` "${singleLine(session.title)}"`;
      return `${named}${title}, ${counted(session?.turnCount ?? 0, "turn")} so far`;
    } catch {
      // It is not there, or the server is not: the first prompt says which.
      return named;
    }
  }
}

/** The session that `--continue` means. Throws UsageError. */
export function sessionToContinue(env: NodeJS.ProcessEnv, url: string): string {
  const id = lastSession(env, url);
  if (id !== undefined) return id;
  throw new UsageError(
    `no session has been used with ${url} from here: name one with --session; \`claude-runner sessions list\` lists them`,
  );
}

/** A title that a person finds the session by: how its first prompt begins. */
function titleOf(prompt: string): string {
  const line = singleLine(prompt.trim().split("\n", 1)[0] ?? "").trim();
  const characters = [...line];
  return characters.length <= 60 ? line : `${characters.slice(0, 59).join("")}…`;
}
