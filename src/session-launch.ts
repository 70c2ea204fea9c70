/**
 * What a process is launched with that serves one session: a conversation whose truth is Claude Code's own transcript.
 *
 * Model and effort belong to the launch, since changing either on a running process writes words into the conversation: for
 * others a new process resumes. Nothing of it is the caller's own text but the binding, which never reaches an argument.
 */
import type { Binding, ModelSettings } from "./turn-settings.ts";

/** A file that stands beside a transcript, such as the whole of a tool's long output. */
export interface SessionFile {
  /** Its path below Claude Code's folder for projects, such as `-workspace/ID/tool-results/abc.txt`. */
  readonly name: string;
  readonly data: Uint8Array;
}

/** What was written down of a transcript. */
export interface TranscriptSeal {
  readonly sizeBytes: number;
  /** SHA-256 of all of it, in lower-case hexadecimal. */
  readonly digest: string;
}

/** A conversation that goes on. */
export interface ResumedConversation {
  /** All of it, in whole lines. Pieces have any size; each start goes through them anew, so it is no generator. */
  readonly transcript: Uint8Array | AsyncIterable<Uint8Array>;
  /**
   * `own`: every line names the session. `copied`: it was forked, so its first lines name the sessions that they come from.
   */
  readonly origin: "own" | "copied";
  /** Absent: only the lines themselves are checked. */
  readonly seal?: TranscriptSeal | undefined;
  /** Those beside it; a function is asked when a process is started. */
  readonly files: readonly SessionFile[] | (() => Promise<readonly SessionFile[]>);
}

export interface SessionLaunch extends ModelSettings {
  /** The session's id within Claude Code, a UUID of ours. */
  readonly cliSessionId: string;
  readonly binding: Binding;
  /** Absent: the conversation begins. */
  readonly resume?: ResumedConversation | undefined;
}
