/**
 * The Claude Code program in use: where it is, its version, and what the probe found that it can do; each looked up once
 * for each binary, and again when the file changes.
 *
 * Holds no timer: whoever wants to start a worker asks again.
 */
import { RunnerError } from "../../runner-error.ts";
import type { CliCapabilities } from "./capabilities.ts";
import type { FoundCli, LocatedCli } from "./locate.ts";

/** The program as it was found last, and what it can do as far as that is known. */
export interface CliState {
  readonly located: LocatedCli | undefined;
  readonly capabilities: CliCapabilities | undefined;
}

export interface KeeperLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface CliKeeperOptions {
  readonly locator: { locate(): Promise<LocatedCli> };
  /** Finds out what a program can do, on a throw-away process of its own. */
  readonly probe: (cli: FoundCli, signal: AbortSignal) => Promise<CliCapabilities>;
  readonly log: KeeperLog;
}

export class CliKeeper {
  readonly #options: CliKeeperOptions;
  readonly #stop = new AbortController();
  #located: LocatedCli | undefined;
  #locating: Promise<LocatedCli> | undefined;
  #probed: { readonly fingerprint: string; readonly result: Promise<CliCapabilities> } | undefined;
  #capabilities: CliCapabilities | undefined;

  constructor(options: CliKeeperOptions) {
    this.#options = options;
  }

  state(): CliState {
    return { located: this.#located, capabilities: this.#capabilities };
  }

  /** The version, and whether it takes a conversation without model calls; `undefined` while that is not known. */
  info(): { readonly version: string | undefined; readonly seeds: boolean | undefined } {
    return {
      version: this.#located?.kind === "found" ? this.#located.version : undefined,
      seeds: this.#capabilities?.seeding,
    };
  }

  /** Looks for the program now. What it can do is found out meanwhile, once for each binary. */
  locate(): Promise<LocatedCli> {
    // Workers that start together ask together: one look is enough.
    this.#locating ??= this.#locate().finally(() => {
      this.#locating = undefined;
    });
    return this.#locating;
  }

  async #locate(): Promise<LocatedCli> {
    const before = this.#located;
    const located = await this.#options.locator.locate();
    this.#located = located;
    this.#tellChange(before, located);
    if (located.kind === "found") void this.capabilitiesOf(located);
    return located;
  }

  /** What a program can do. The first call for a binary probes it; a probe that fails means that it can do nothing. */
  capabilitiesOf(cli: FoundCli): Promise<CliCapabilities> {
    if (this.#probed?.fingerprint !== cli.fingerprint) {
      this.#probed = { fingerprint: cli.fingerprint, result: this.#probe(cli) };
    }
    return this.#probed.result;
  }

  /** Ends a probe that is under way. */
  stop(): Promise<unknown> {
    this.#stop.abort(new RunnerError("POOL_DRAINING", "the server is shutting down"));
    return this.#probed?.result ?? Promise.resolve();
  }

  async #probe(cli: FoundCli): Promise<CliCapabilities> {
    const { log, probe } = this.#options;
    this.#capabilities = undefined;
    let found: CliCapabilities;
    try {
      found = await probe(cli, this.#stop.signal);
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      found = { cliVersion: cli.version, rewind: false, seeding: false, literalPrompts: false, detail };
    }
    if (this.#stop.signal.aborted) return found;
    this.#capabilities = found;
    const fields = { cliVersion: cli.version, rewind: found.rewind, seeding: found.seeding, detail: found.detail };
    if (found.rewind && found.seeding) log.info(fields, "Claude Code can be reset and reused");
    else
      log.warn(
        fields,
        "Claude Code cannot do everything that reuse needs: each turn gets a fresh process, or no history",
      );
    return found;
  }

  #tellChange(before: LocatedCli | undefined, now: LocatedCli): void {
    const { log } = this.#options;
    if (now.kind === "found") {
      if (before?.kind === "found" && before.fingerprint === now.fingerprint) return;
      log.info({ cliVersion: now.version, source: now.source }, "Claude Code found");
    } else if (before?.kind !== "unavailable" || before.why !== now.why) {
      log.warn({ why: now.why, whatToDo: now.whatToDo }, "Claude Code cannot be used");
    }
  }
}
