/**
 * The turns of each session that this server has taken in, in the order in which they came: the first has the session or is
 * about to, the others wait.
 *
 * In memory: that only one turn at a time has a session is the store's rule, for all servers. This is the order among those
 * that wait here, and who is told when the one before has ended.
 */

/** A turn's place in its session's line. Leaving it twice is fine. */
export interface LinePlace {
  /** The turn that has the session or is about to; `undefined`: it is this one. */
  readonly holderId: string | undefined;
  /** The same, if it is certain already that it stays. */
  readonly certainHolderId: string | undefined;
  /**
   * Settles when it is certain of all that are before it whether they stay: one may be an earlier request again, which
   * leaves. So turns are taken in, and refused, in the order of the line.
   */
  othersDecided(): Promise<void>;
  /** The turn was taken in, and stays until its end. */
  stay(): void;
  /** Settles when every turn before has left. Rejects with the signal's reason. */
  first(signal: AbortSignal): Promise<void>;
  leave(): void;
}

interface Waiting {
  readonly turnId: string;
  onFirst: () => void;
  stays: boolean;
  /** Settles when it is known whether it stays. */
  readonly decided: PromiseWithResolvers<void>;
}

/** A session among those of all tenants. */
export function sessionKey({ tenant, id }: { readonly tenant: string; readonly id: string }): string {
  return `${tenant}\0${id}`;
}

export class SessionLines {
  readonly #lines = new Map<string, Waiting[]>();

  /** `overtaking`: it goes before all that wait, after the one that has the session. */
  enter(session: { readonly tenant: string; readonly id: string }, turnId: string, overtaking = false): LinePlace {
    const key = sessionKey(session);
    const line = this.#lines.get(key) ?? [];
    this.#lines.set(key, line);
    const own: Waiting = { turnId, onFirst: () => {}, stays: false, decided: Promise.withResolvers() };
    if (overtaking && line.length > 1) line.splice(1, 0, own);
    else line.push(own);
    return {
      get holderId() {
        return line[0] === own ? undefined : line[0]?.turnId;
      },
      get certainHolderId() {
        return line[0]?.stays && line[0] !== own ? line[0].turnId : undefined;
      },
      othersDecided: async () => {
        for (;;) {
          const undecided = line.slice(0, line.indexOf(own)).find(({ stays }) => !stays);
          if (undecided === undefined) return;
          await undecided.decided.promise;
        }
      },
      stay: () => {
        own.stays = true;
        own.decided.resolve();
      },
      first: (signal) =>
        new Promise((resolve, reject) => {
          if (signal.aborted) return reject(signal.reason);
          if (line[0] === own) return resolve();
          const onAbort = () => reject(signal.reason);
          signal.addEventListener("abort", onAbort, { once: true });
          own.onFirst = () => {
            signal.removeEventListener("abort", onAbort);
            resolve();
          };
        }),
      leave: () => {
        const at = line.indexOf(own);
        if (at < 0) return;
        line.splice(at, 1);
        own.decided.resolve();
        if (line.length === 0) {
          if (this.#lines.get(key) === line) this.#lines.delete(key);
        } else if (at === 0) line[0]?.onFirst();
      },
    };
  }

  /** Sessions that have a turn here. */
  get count(): number {
    return this.#lines.size;
  }
}
