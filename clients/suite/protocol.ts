/**
 * How the behaviour suite talks to a client under test: one JSON object per line, commands on stdin, answers on stdout.
 *
 * Each language has a small program, its *driver*, that carries out commands with that language's client as its users
 * would, and tells what it saw. What has to be seen is decided here, once for all languages, so a driver has no
 * expectations of its own. `README.md` tells the same to people who write one.
 *
 * Messages of the contract are in protobuf's JSON form, which every runtime reads and writes. Unset numbers and texts may
 * be left out in answers.
 */

/** Where a server is and how to get in. */
export interface Target {
  /** `127.0.0.1:7433`: the gRPC port. */
  readonly address: string;
  /** Verify the server against this certificate authority, a PEM file. Absent: no TLS. */
  readonly caFile?: string;
  /** Sent as a bearer token. Absent: none is sent. */
  readonly token?: string;
}

export interface StreamCommand {
  readonly do: "stream";
  readonly target: Target;
  /** A StreamChatRequest. */
  readonly request: object;
  /** The call's deadline. Absent: none is set by the caller. */
  readonly timeoutMs?: number;
  /** Cancel, in the way that the language's users do, as soon as so many text deltas were read. */
  readonly cancelAfterTextDeltas?: number;
  /**
   * Stop reading as soon as so many text deltas were read, without cancelling by hand: leave the loop, drop the turn,
   * close it, whatever the language's users do when they have seen enough. No failure is told then.
   */
  readonly leaveAfterTextDeltas?: number;
  /** Whether the client's own retry is on. It is by default, as it is for the client's users. */
  readonly retry?: boolean;
  /** Use the thin layer's stream that rejoins its turn when the connection breaks. Absent: the plain one. */
  readonly rejoin?: boolean;
  /** Sent as metadata beside the token. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Go and Python: make a client span with the language's usual instrumentation and send it by OTLP over HTTP to here. */
  readonly otlpUrl?: string;
}

/** What a driver saw of a stream. */
export interface StreamAnswer {
  /** The kinds of events in order of their first appearance with how often each came, by proto name: `text_delta`. */
  readonly kinds: Readonly<Record<string, number>>;
  readonly firstKind: string;
  readonly lastKind: string;
  /** Events whose kind this client does not know. They are skipped, and are in neither `kinds` nor first and last. */
  readonly unknownCount: number;
  /**
   * Whether `sequence` ran 1, 2, 3 … over all events, unknown ones included; of a turn that was attached to, from the event
   * after `afterSequence` on. A heartbeat repeats the number before it. False as soon as a gap is shown.
   */
  readonly gapFree: boolean;
  /** The gaps that the layer showed, each as a protobuf Gap. Absent: none. */
  readonly gaps?: readonly object[];
  readonly eventCount: number;
  /** The text as the thin layer collects it: all text deltas without retracted ones. */
  readonly textBytes: number;
  /** Of the text's UTF-8, hexadecimal. */
  readonly textSha256: string;
  /** The text itself, when it has at most 64 KiB of UTF-8. */
  readonly text?: string;
  readonly turnId: string;
  /** The `started` event. */
  readonly started?: object;
  /** The `result` event: a TurnResult. */
  readonly result?: object;
  /** How often the client sent the call, if its runtime tells; 1 without a retry. */
  readonly attemptCount?: number;
  readonly error?: CallError;
  /** With `otlpUrl`: the trace id of the client span. */
  readonly traceId?: string;
}

/** A failure, through the accessors of the client's own error type. */
export interface CallError {
  /** The name of the type that the language's user catches. */
  readonly type: string;
  /** As gRPC spells it: `UNAVAILABLE`. */
  readonly code: string;
  /** Of ErrorInfo: `QUEUE_FULL`. Empty when the status has none. */
  readonly reason: string;
  readonly message: string;
  /** ErrorInfo's metadata. */
  readonly facts: Readonly<Record<string, string>>;
  /** Of RetryInfo. Absent: the status has none. */
  readonly retryDelayMs?: number;
  /** Whether the same request may be sent again: UNAVAILABLE, nothing of the response seen, no push-back -1. */
  readonly mayRetry: boolean;
  /** Of BadRequest. */
  readonly violations: readonly { readonly field: string; readonly description: string }[];
  /** The TurnResult among the details. Absent: there is none. */
  readonly result?: object;
}

/** The text of a turn through the thin layer's text iterator. */
export interface TextCommand {
  readonly do: "text";
  readonly target: Target;
  readonly request: object;
}

export interface TextAnswer {
  /** How many pieces the iterator gave. */
  readonly pieceCount: number;
  readonly textBytes: number;
  readonly textSha256: string;
  readonly text?: string;
  readonly error?: CallError;
}

/** A collected turn. */
export interface ChatCommand {
  readonly do: "chat";
  readonly target: Target;
  /** A ChatRequest. */
  readonly request: object;
  /** Use what the thin layer has for a call that may be sent again: it makes the `request_id`. Absent: a plain call. */
  readonly idempotent?: boolean;
}

export interface ChatAnswer {
  /** The ChatResponse. */
  readonly response?: object;
  readonly error?: CallError;
}

/** Several prompts of one conversation, with the thin layer's conversation. */
export interface ConversationCommand {
  readonly do: "conversation";
  readonly target: Target;
  readonly prompts: readonly string[];
}

export interface ConversationAnswer {
  readonly turns: readonly {
    readonly text: string;
    /** Of `started`. */
    readonly seededMessageCount: number;
  }[];
  readonly error?: CallError;
}

/** Several prompts of one session, one after another, with the thin layer's handle of a session. */
export interface SessionCommand {
  readonly do: "session";
  readonly target: Target;
  readonly sessionId: string;
  readonly prompts: readonly string[];
  /** Options of the handle. Absent: what the layer does by itself. The title is for a session that is created. */
  readonly title?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** `BUSY_POLICY_QUEUE`, … */
  readonly busyPolicy?: string;
  /** Whether the first turn may create the session. Absent: the layer lets it. */
  readonly allowMissing?: boolean;
}

export interface SessionAnswer {
  /** Those that ended well. */
  readonly turns: readonly {
    readonly text: string;
    readonly turnId: string;
    /** The `started` event. */
    readonly started: object;
  }[];
  readonly error?: CallError;
}

/** A turn that runs or has run, read by the thin layer's `attach`. Answered like a stream. */
export interface AttachCommand {
  readonly do: "attach";
  readonly target: Target;
  /** Either of the two. */
  readonly turnId?: string;
  readonly requestId?: string;
  /** Absent: from the beginning. */
  readonly afterSequence?: number;
}

/** A call about what the server keeps, by the thin layer's method for it. */
export interface KeptCommand {
  readonly do: "kept";
  readonly target: Target;
  readonly method:
    | "createSession"
    | "getSession"
    | "listSessions"
    | "updateSession"
    | "deleteSession"
    | "forkSession"
    | "listTurns"
    | "getTurn"
    | "interruptTurn";
  /** The request of SessionService or TurnService. Of a list, `pageSize` is that of each page. */
  readonly request: object;
}

export interface KeptAnswer {
  /** What the layer gave, as the service's response. Of a list, what its iterator gave over all pages: `{"turns":[…]}`. */
  readonly response?: object;
  readonly error?: CallError;
}

export interface InfoCommand {
  readonly do: "info";
  readonly target: Target;
}

export interface InfoAnswer {
  /** The GetInfoResponse. */
  readonly response?: object;
  readonly error?: CallError;
}

/** One look at the pool. */
export interface PoolCommand {
  readonly do: "pool";
  readonly target: Target;
}

export interface PoolAnswer {
  /** The GetPoolResponse. */
  readonly response?: object;
  readonly error?: CallError;
}

/** The standard health service. */
export interface HealthCommand {
  readonly do: "health";
  readonly target: Target;
  /** Empty: the server as a whole. */
  readonly service: string;
}

export interface HealthAnswer {
  /** `SERVING`, `NOT_SERVING`, … */
  readonly status?: string;
  readonly error?: CallError;
}

/** The services that reflection (v1) lists. */
export interface ReflectCommand {
  readonly do: "reflect";
  readonly target: Target;
}

export interface ReflectAnswer {
  readonly services?: readonly string[];
  readonly error?: CallError;
}

/** First text and events per second, measured by the driver itself: for the bench. */
export interface BenchCommand {
  readonly do: "bench";
  readonly target: Target;
  readonly request: object;
  /** Turns that are not counted, first. */
  readonly warmUpCount: number;
  readonly turnCount: number;
}

export interface BenchAnswer {
  /** For each turn: from the call to the first text delta, in milliseconds. */
  readonly firstTextMs: readonly number[];
  /** For each turn: from the call to the end of the stream. */
  readonly totalMs: readonly number[];
  /** For each turn: the events read. */
  readonly eventCounts: readonly number[];
  readonly error?: CallError;
}

/** Every command with its answer. */
export interface Commands {
  readonly stream: [StreamCommand, StreamAnswer];
  readonly text: [TextCommand, TextAnswer];
  readonly chat: [ChatCommand, ChatAnswer];
  readonly conversation: [ConversationCommand, ConversationAnswer];
  readonly session: [SessionCommand, SessionAnswer];
  readonly attach: [AttachCommand, StreamAnswer];
  readonly kept: [KeptCommand, KeptAnswer];
  readonly info: [InfoCommand, InfoAnswer];
  readonly pool: [PoolCommand, PoolAnswer];
  readonly health: [HealthCommand, HealthAnswer];
  readonly reflect: [ReflectCommand, ReflectAnswer];
  readonly bench: [BenchCommand, BenchAnswer];
}

/** A line to a driver. Ids are unique; a driver carries out one command at a time, in order. */
export type CommandLine = { readonly id: number } & Commands[keyof Commands][0];

/** A line from a driver. `bug`: the driver itself failed, in words. */
export type AnswerLine = { readonly id: number } & (
  | { readonly answer: Commands[keyof Commands][1] }
  | { readonly bug: string }
);

/** The first line that a driver writes, unasked. */
export interface Hello {
  readonly hello: {
    /** `go`, `python`, `java`, `rust`, `typescript`. */
    readonly language: string;
    /** The runtime and its version, for the table: `grpc-go 1.85.0`. */
    readonly runtime: string;
    /** The language's own version: `Go 1.26.8`. */
    readonly languageVersion: string;
  };
}
