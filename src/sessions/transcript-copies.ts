/**
 * Claude Code's transcripts of tool conversations: copied into the store after each turn, before the turn is reported as
 * ended, and read from there by the process that goes on with the conversation.
 *
 * What was copied is checked by its length and digest when it is read again. Digests of sessions that are in use are kept
 * going, so that a long transcript is not read anew for each turn.
 */
import { createHash, type Hash } from "node:crypto";
import type { SessionLaunch } from "../session-launch.ts";
import type { SessionRecord, Store, TranscriptState, TurnLease } from "../store/store.ts";
import type { Binding, ModelSettings } from "../turn.ts";
import type { WorkerTranscript } from "../worker-process.ts";

/** A transcript goes to and from the store in pieces of so many bytes. */
const pieceBytes = 1024 * 1024;
/** Sessions whose digest is kept going. */
const maxDigests = 1_000;

export class TranscriptCopies {
  readonly #store: Store;
  /** By the session's id within Claude Code; the one that was used least recently is first. */
  readonly #digests = new Map<string, { readonly sizeBytes: number; readonly hash: Hash }>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** What a process is launched with that goes on with a session, or begins it under `newCliSessionId`. */
  launchOf(
    session: SessionRecord,
    turn: { readonly settings: ModelSettings; readonly binding: Binding },
    newCliSessionId: string,
  ): SessionLaunch {
    const { tenant, id, transcript, forkedFrom } = session;
    const { model, effort } = turn.settings;
    const launch = { cliSessionId: transcript?.cliSessionId ?? newCliSessionId, model, effort, binding: turn.binding };
    if (transcript === undefined) return launch;
    return {
      ...launch,
      resume: {
        transcript: { [Symbol.asyncIterator]: () => this.#read(tenant, id, transcript.sizeBytes) },
        origin: forkedFrom === undefined ? "own" : "copied",
        seal: { sizeBytes: transcript.sizeBytes, digest: transcript.digest },
        files: () => this.#store.sessionFiles(tenant, id),
      },
    };
  }

  /** Copies what a turn has added. `undefined`: it has added nothing. */
  async copy(
    lease: TurnLease,
    session: SessionRecord,
    { transcript, cliVersion }: { readonly transcript: WorkerTranscript; readonly cliVersion: string },
  ): Promise<TranscriptState | undefined> {
    const { cliSessionId } = transcript;
    const before = session.transcript?.cliSessionId === cliSessionId ? session.transcript.sizeBytes : 0;
    const added = await transcript.read(before);
    if (added.length === 0) return undefined;
    const hash = await this.#hashOf(session, cliSessionId, before);
    for (let at = 0; at < added.length; at += pieceBytes) {
      const data = added.subarray(at, at + pieceBytes);
      hash.update(data);
      await this.#store.appendTranscript(lease, { cliSessionId, offsetBytes: before + at, data });
    }
    const known = new Set(await this.#store.sessionFileNames(session.tenant, session.id));
    for (const { name, data } of await transcript.files(known)) await this.#store.putSessionFile(lease, name, data);
    const sizeBytes = before + added.length;
    this.#keep(cliSessionId, { sizeBytes, hash });
    return { cliSessionId, cliVersion, sizeBytes, digest: hash.copy().digest("hex") };
  }

  async #hashOf({ tenant, id }: SessionRecord, cliSessionId: string, sizeBytes: number): Promise<Hash> {
    const kept = this.#digests.get(cliSessionId);
    if (kept?.sizeBytes === sizeBytes) return kept.hash.copy();
    const hash = createHash("sha256");
    for await (const piece of this.#read(tenant, id, sizeBytes)) hash.update(piece);
    return hash;
  }

  #keep(cliSessionId: string, digest: { readonly sizeBytes: number; readonly hash: Hash }): void {
    this.#digests.delete(cliSessionId);
    this.#digests.set(cliSessionId, digest);
    if (this.#digests.size <= maxDigests) return;
    for (const first of this.#digests.keys()) {
      this.#digests.delete(first);
      return;
    }
  }

  /** The part of a transcript that belongs to the conversation. */
  async *#read(tenant: string, sessionId: string, sizeBytes: number): AsyncGenerator<Uint8Array, void> {
    for (let at = 0; at < sizeBytes; ) {
      const piece = await this.#store.readTranscript(tenant, sessionId, at, Math.min(pieceBytes, sizeBytes - at));
      if (piece.length === 0) return; // its reader finds that it is too short
      yield piece;
      at += piece.length;
    }
  }
}
