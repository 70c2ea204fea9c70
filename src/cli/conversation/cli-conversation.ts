/**
 * The conversation that a process holds: bound once, configured, seeded, added to by turns, and forgotten by a reset.
 *
 * Knows which user messages are at its ends, and which lines the CLI is not done with, since both decide what a reset asks
 * for and when. Leaves out turns themselves, and what else keeps a process from being used again: that is its worker's.
 */
import type { ProfileSettings } from "../../config/profile-settings.ts";
import { RunnerError } from "../../runner-error.ts";
import type { Binding, HistoryMessage, ModelSettings } from "../../turn.ts";
import type { Line } from "../process/line-pieces.ts";
import type { CliCapabilities } from "../program/capabilities.ts";
import type { CliMessage } from "../protocol/cli-messages.ts";
import type { RequestOptions } from "../protocol/control.ts";
import { type JsonObject, textAt } from "../protocol/json-members.ts";
import { initializeRequest } from "./initialize.ts";
import { type Ask, applySettings, readSettings } from "./model-settings.ts";
import { type Conversation, clear, type RewindProblem, rewind } from "./reset.ts";
import { seedHistory } from "./seeding.ts";

export interface ConversationHost {
  readonly ask: Ask;
  readonly write: (line: Line) => Promise<void>;
  /** The next message that fits. Rejects with WORKER_DIED when none comes in time, or in so many times that time. */
  readonly expect: (fits: (message: CliMessage) => boolean, times?: number) => Promise<CliMessage>;
  /** What the CLI was found to be able to; `undefined`: nobody knows. */
  capabilities(): Promise<CliCapabilities | undefined> | CliCapabilities | undefined;
}

export type ConversationProfile = Pick<ProfileSettings, "model" | "effort" | "systemPrompt" | "acceptClearResidue">;

export class CliConversation {
  readonly #host: ConversationHost;
  readonly #profile: ConversationProfile;
  #isBound = false;
  /** Model and effort that were asked for last; at first by the launch. */
  #settings: ModelSettings;
  /** What the CLI made of the model of the launch, which may have been an alias. */
  #launchedModel: string | undefined;
  /** `undefined`: it is empty. */
  #ends: Conversation | undefined;
  /** Lines that the CLI has not yet said to be done with. */
  readonly #unfinished = new Set<string>();
  /** User lines that the CLI has taken up. One that was cancelled before that does not count, nor do seeded answers. */
  #takenLineCount = 0;

  constructor(host: ConversationHost, profile: ConversationProfile) {
    this.#host = host;
    this.#profile = profile;
    this.#settings = { model: profile.model, effort: profile.effort };
  }

  get takenLineCount(): number {
    return this.#takenLineCount;
  }

  /** Waits for the process's first answer. */
  async open(options: RequestOptions): Promise<void> {
    const applied = await readSettings(this.#host.ask, options);
    this.#launchedModel = applied.model;
  }

  /** Fixes the system prompt and the schema. */
  async bind(binding: Binding, signal?: AbortSignal): Promise<void> {
    if (this.#isBound) throw new Error("bug: a worker is bound once");
    const request = initializeRequest(binding, this.#profile.systemPrompt);
    // Sent is spent, whatever comes of it.
    this.#isBound = true;
    await this.#host.ask(request, { signal });
  }

  async configure(settings: ModelSettings, signal?: AbortSignal): Promise<void> {
    if (settings.model === this.#settings.model && settings.effort === this.#settings.effort) return;
    const modelAlso = settings.model === this.#profile.model ? this.#launchedModel : undefined;
    this.#settings = settings;
    await applySettings(this.#host.ask, settings, modelAlso, { signal });
  }

  /** Rejects, before anything is written, when the CLI does not take a history. */
  async checkSeeding(): Promise<void> {
    if ((await this.#host.capabilities())?.seeding === false) {
      throw new RunnerError("NOT_SUPPORTED_BY_CLI", "the installed Claude Code does not accept a history");
    }
  }

  async seed(history: readonly HistoryMessage[], signal?: AbortSignal): Promise<void> {
    const { write, expect } = this.#host;
    const host = {
      write,
      expect,
      willAdd: (role: HistoryMessage["role"], uuid: string) => {
        this.#unfinished.add(uuid);
        if (role === "user") this.#add(uuid);
      },
    };
    await seedHistory(host, history, signal);
  }

  /** A prompt is about to be written. */
  promptGiven(uuid: string): void {
    this.#unfinished.add(uuid);
  }

  /** The turn of a prompt is over. One that was cancelled before it started is not in the conversation. */
  promptOver(uuid: string, hasStarted: boolean): void {
    if (hasStarted) this.#add(uuid);
    else this.#unfinished.delete(uuid);
  }

  /** Takes a `command_lifecycle`: what the CLI says about a line. */
  noteLifecycle(body: JsonObject): void {
    const state = textAt(body, "state");
    if (state === "started") this.#takenLineCount += 1;
    else if (state === "completed" || state === "cancelled") this.#unfinished.delete(textAt(body, "command_uuid"));
  }

  /** Makes the process forget it. `undefined` when it did, else a short code for why not. Rejects when it does not answer. */
  async reset(): Promise<RewindProblem | undefined> {
    await this.#whenFinished();
    if (this.#ends !== undefined) {
      const { write, expect, ask } = this.#host;
      const host = { write, expect, request: ask };
      const canRewind = (await this.#host.capabilities())?.rewind;
      if (!canRewind && !this.#profile.acceptClearResidue) return { failure: "reset_not_proven" };
      const why = canRewind ? await rewind(host, this.#ends) : await clear(host);
      if (why !== undefined) return why;
    }
    await this.configure({ model: this.#profile.model, effort: this.#profile.effort });
    this.#ends = undefined;
    return undefined;
  }

  #add(uuid: string): void {
    this.#ends = { firstUuid: this.#ends?.firstUuid ?? uuid, lastUuid: uuid };
  }

  /** Waits until the CLI is done with every line that it was given: after an aborted seeding it may not be. */
  async #whenFinished(): Promise<void> {
    if (this.#unfinished.size > 0) await this.#host.expect(() => this.#unfinished.size === 0);
  }
}
