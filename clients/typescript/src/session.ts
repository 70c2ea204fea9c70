/**
 * A conversation that the server keeps, by its id: a handle has the id, and what its turns have in common. It outlives this
 * program, and any number of handles may name the same session.
 */
import { isFieldSet, isMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { CallOptions, ChatOptions, StreamOptions } from "./call-options.ts";
import type { Calls } from "./calls.ts";
import {
  type BusyPolicy,
  ChatRequestSchema,
  type ChatResponse,
  StreamChatRequestSchema,
} from "./gen/claude/runner/v1/runner_pb.ts";
import type { DeleteSessionResponse, Session as SessionRecord } from "./gen/claude/runner/v1/session_pb.ts";
import { type Turn as TurnRecord, TurnView } from "./gen/claude/runner/v1/turn_pb.ts";
import { turnPages } from "./lists.ts";
import type { Turn } from "./turn.ts";

type StreamRequest = MessageInitShape<typeof StreamChatRequestSchema>;
type ChatRequest = MessageInitShape<typeof ChatRequestSchema>;

/** What a handle's own options say. */
type OfTheSession = "$typeName" | "$unknown" | "history" | "session" | "busyPolicy";

/** A turn of a session. What it leaves out is the template's. */
export type SessionTurn = Omit<StreamRequest, OfTheSession>;

export interface SessionOptions {
  /**
   * Whether the handle's first turn creates the session if it is not there. Later ones do not, so that a session which was
   * deleted or has expired does not start again unnoticed. Default true; false: it fails with SESSION_NOT_FOUND.
   */
  readonly create?: boolean;
  /** For a session that is created. */
  readonly title?: string;
  /** For a session that is created. */
  readonly labels?: Readonly<Record<string, string>>;
  /** How long after its last change the session is deleted, in milliseconds; for a session that is created. */
  readonly idleExpiryMs?: number;
  /** What a turn does while another one of the session waits or runs. Default: it fails with SESSION_BUSY. */
  readonly busyPolicy?: BusyPolicy;
  /** What all turns have, such as profile, model and system prompt. */
  readonly template?: Omit<SessionTurn, "prompt" | "content">;
}

/** What to change of a session. What is left out stays as it is. */
export interface SessionUpdate {
  readonly title?: string;
  /** In place of all the old ones. */
  readonly labels?: Readonly<Record<string, string>>;
  /** How long after its last change the session is deleted, in milliseconds, from now on. */
  readonly idleExpiryMs?: number;
}

/** Where a copy ends, and what it is called. */
export interface ForkOptions extends CallOptions {
  /** The id of the copy. Default: the server chooses one. */
  readonly newId?: string;
  /** The last turn to copy. Default: all of the conversation is copied. */
  readonly lastTurnId?: string;
  /** The first turn that is not copied. */
  readonly beforeTurnId?: string;
  /** The title of the copy. Default: that of this session. */
  readonly title?: string;
}

/** How a session makes its calls. */
export interface SessionCalls {
  readonly calls: Calls;
  readonly stream: (request: StreamRequest, options: StreamOptions, begun: () => void) => Turn;
  readonly chat: (request: ChatRequest, options: ChatOptions) => Promise<ChatResponse>;
}

export class Session {
  readonly id: string;
  readonly #parts: SessionCalls;
  readonly #options: SessionOptions;
  /** Whether the next turn may create the session. */
  #mayCreate: boolean;

  constructor(id: string, parts: SessionCalls, options: SessionOptions) {
    this.id = id;
    this.#parts = parts;
    this.#options = options;
    this.#mayCreate = options.create ?? true;
  }

  /** The session's next turn. It begins when it is read. */
  stream(turn: string | SessionTurn, options: StreamOptions = {}): Turn {
    const request = { ...this.#options.template, ...given(StreamChatRequestSchema, turn), ...this.#common() };
    return this.#parts.stream(request, options, () => this.#isThere());
  }

  /** The session's next turn in one call. */
  async chat(turn: string | Omit<SessionTurn, "detail">, options: ChatOptions = {}): Promise<ChatResponse> {
    const { detail: _, ...template } = this.#options.template ?? {};
    const request = { ...template, ...given(ChatRequestSchema, turn), ...this.#common() };
    const response = await this.#parts.chat(request, options);
    this.#isThere();
    return response;
  }

  /** What the session is doing, and what it has used and cost. */
  async get(options: CallOptions = {}): Promise<SessionRecord> {
    const { calls } = this.#parts;
    const { session } = await calls.once(options, (called) => calls.sessions.getSession({ id: this.id }, called));
    return there(session);
  }

  /** Changes what is given. */
  async update({ title, labels, idleExpiryMs }: SessionUpdate, options: CallOptions = {}): Promise<SessionRecord> {
    const { calls } = this.#parts;
    const changes = {
      ...(title !== undefined && { title }),
      ...(labels !== undefined && { labels }),
      ...(idleExpiryMs !== undefined && { idleExpiry: durationFromMs(idleExpiryMs) }),
    };
    const paths = Object.keys(changes).map((name) => (name === "idleExpiry" ? "idle_expiry" : name));
    const request = { id: this.id, updateMask: { paths }, ...changes };
    const { session } = await calls.once(options, (called) => calls.sessions.updateSession(request, called));
    return there(session);
  }

  /** Deletes the session and all its words. `force`: interrupts a turn that waits or runs in it, instead of failing. */
  delete({
    force = false,
    ...options
  }: CallOptions & { readonly force?: boolean } = {}): Promise<DeleteSessionResponse> {
    const { calls } = this.#parts;
    return calls.once(options, (called) => calls.sessionsOnce.deleteSession({ id: this.id, force }, called));
  }

  /** Copies the conversation into a new session: all of it, or up to a turn. `client.session` makes a handle of the copy. */
  async fork({ newId = "", lastTurnId, beforeTurnId, title, ...options }: ForkOptions = {}): Promise<SessionRecord> {
    if (lastTurnId !== undefined && beforeTurnId !== undefined) {
      throw new TypeError("a copy ends with lastTurnId or before beforeTurnId: give one of them at most");
    }
    const { calls } = this.#parts;
    const request = {
      id: this.id,
      newId,
      ...(lastTurnId !== undefined && { until: { case: "lastTurnId" as const, value: lastTurnId } }),
      ...(beforeTurnId !== undefined && { until: { case: "beforeTurnId" as const, value: beforeTurnId } }),
      ...(title !== undefined && { title }),
    };
    const { session } = await calls.once(options, (called) => calls.sessionsOnce.forkSession(request, called));
    return there(session);
  }

  /** The session's turns with what was said in them, from the first one on. The deadline is that of each page. */
  turns(options: CallOptions = {}): AsyncIterable<TurnRecord> {
    return turnPages(this.#parts.calls, { sessionId: this.id, view: TurnView.FULL }, options);
  }

  #common() {
    const { title = "", labels = {}, idleExpiryMs, busyPolicy } = this.#options;
    const session = {
      id: this.id,
      allowMissing: this.#mayCreate,
      title,
      labels,
      ...(idleExpiryMs !== undefined && { idleExpiry: durationFromMs(idleExpiryMs) }),
    };
    return { session, ...(busyPolicy !== undefined && { busyPolicy }) };
  }

  #isThere(): void {
    this.#mayCreate = false;
  }
}

/** What a turn itself says. A message has its defaults as well, and these say nothing. */
function given<Schema extends typeof StreamChatRequestSchema | typeof ChatRequestSchema>(
  schema: Schema,
  turn: string | SessionTurn,
): SessionTurn {
  if (typeof turn === "string") return { prompt: turn };
  if (!isMessage(turn, schema)) return turn;
  const fields = schema.fields.filter((field) => isFieldSet(turn, field));
  return Object.fromEntries(
    Object.entries(turn).filter(([name]) => fields.some(({ localName }) => localName === name)),
  );
}

/** Every response about a session has it. */
export function there(session: SessionRecord | undefined): SessionRecord {
  if (session === undefined) throw new Error("bug: the server's response has no session");
  return session;
}
