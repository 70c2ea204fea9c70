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
  /** Settles when every turn before has left. Rejects with the signal's reason. */
  first(signal: AbortSignal): Promise<void>;
  leave(): void;
}

interface Waiting {
  readonly turnId: string;
  onFirst: () => void;
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
    const own: Waiting = { turnId, onFirst: () => {} };
    if (overtaking && line.length > 1) line.splice(1, 0, own);
    else line.push(own);
    return {
      get holderId() {
        return line[0] === own ? undefined : line[0]?.turnId;
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
