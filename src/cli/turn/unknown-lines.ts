/**
 * Lines of one turn whose kind this driver does not know: each is counted, and each kind is named in the log once. The
 * name is Claude Code's own, so it is no label.
 */

import { attributeNames, instruments } from "../../telemetry/instruments.ts";
import type { Log } from "../../telemetry/log.ts";

/** Kinds that are named for one turn, and how much of a name is. */
const maxNamedKinds = 20;
const maxNameLength = 80;

export class UnknownLines {
  readonly #about: { readonly turnId: string; readonly profile: string };
  readonly #log: Log;
  readonly #named = new Set<string>();

  constructor(about: { readonly turnId: string; readonly profile: string }, log: Log) {
    this.#about = about;
    this.#log = log;
  }

  saw(name: string): void {
    instruments().unknownEvents.add(1, { [attributeNames.profile]: this.#about.profile });
    const eventName = name.slice(0, maxNameLength);
    if (this.#named.has(eventName) || this.#named.size >= maxNamedKinds) return;
    this.#named.add(eventName);
    this.#log.info({ ...this.#about, eventName }, "Claude Code reports something that this version does not know");
  }
}
