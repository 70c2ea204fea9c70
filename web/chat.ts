/**
 * The conversation: sends turns, reads their streams, and shows all of it.
 *
 * A conversation is a session of the server, unless the profile keeps no words: then it is in this page alone, and each turn
 * takes along what was said.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { StreamChatRequestSchema } from "../clients/typescript/src/gen/claude/runner/v1/runner_pb.ts";
import { type Turn as TurnRecord, TurnState } from "../clients/typescript/src/gen/claude/runner/v1/turn_pb.ts";
import { newId } from "../clients/typescript/src/request-id.ts";
import type { Attention } from "./attention.ts";
import { branchBefore } from "./branch.ts";
import { ChatFrame, type ChatFrameOptions } from "./chat-frame.ts";
import { Conversation } from "./conversation.ts";
import { el } from "./dom.ts";
import { failureOf, isMissing } from "./failure.ts";
import { failureElement } from "./failure-view.ts";
import { KeptTurn } from "./kept-turn.ts";
import type { Place } from "./place.ts";
import { PlainTurn } from "./plain-turn.ts";
import { hasTextPrompt, turnOf } from "./recorded-turn.ts";
import type { RunningTurn } from "./running-turn.ts";
import { readSession, stampOf } from "./session-reader.ts";
import { titleOf } from "./session-title.ts";
import type { TurnChoice } from "./settings-form.ts";
import { newTrace } from "./trace.ts";
import { maxTurnsInPage, type ShownTurn } from "./transcript.ts";
import { Turn } from "./turn.ts";
import type { TurnActions } from "./turn-view.ts";

/** What is open. */
type Open =
  /** Nothing was said yet, so that a profile can be chosen. */
  | { readonly kind: "new" }
  /** Kept by the server. `isThere`: the server is known to have it; until then its first turn creates it. */
  | { readonly kind: "session"; readonly id: string; readonly profile: string; isThere: boolean; stamp: string }
  /** In this page alone. */
  | { readonly kind: "plain"; readonly profile: string; readonly said: Conversation };

export interface ChatOptions extends ChatFrameOptions {
  readonly attention: Attention;
  /** Told when another conversation is open, so that the address says so. `isSame`: it is the one from before, kept now. */
  readonly onPlace: (place: Place, isSame: boolean) => void;
}

export class Chat {
  readonly element: HTMLElement;
  readonly #options: ChatOptions;
  readonly #frame: ChatFrame;
  readonly #forgetAttention: () => void;
  #open: Open = { kind: "new" };
  #running: RunningTurn | undefined;
  /** What is being read of a session; a newer reading ends it. */
  #reading = new AbortController();
  /** The session that is open, or is being read to be opened. */
  #wantedId: string | undefined;
  /** The reading under which a copy is being made; one at a time. */
  #branching: AbortController | undefined;
  /** The turn whose prompt is changed in the composer. */
  #edited: Turn | undefined;

  constructor(options: ChatOptions) {
    this.#options = options;
    this.#frame = new ChatFrame(options, {
      send: (prompt, choice) => void this.#submit(prompt, choice),
      cancel: () => this.#running?.cancel(),
      startAnew: () => this.#startAnew(),
      stopEditing: () => {
        this.#edited = undefined;
      },
      profileChosen: () => this.#frame.showKeeping(this.#open.kind === "new"),
      deleted: (id) => this.#deleted(id),
    });
    this.element = this.#frame.element;
    this.#forgetAttention = options.attention.onChange((isLooking) => {
      if (isLooking) void this.#catchUp();
    });
    this.#showOpen();
    void this.#frame.list?.refresh();
  }

  /** For when it is shown. */
  focus(): void {
    this.#frame.focus();
  }

  /** Opens a session, or a new conversation. What is open already stays as it is. */
  go(sessionId: string | undefined): void {
    if (sessionId === this.#wantedId) return;
    if (sessionId === undefined) this.#begin();
    else void this.#read(sessionId);
  }

  /** Lets go of what runs, and of the page. */
  close(): void {
    this.#leave();
    this.#forgetAttention();
    this.#frame.close();
  }

  async #submit(prompt: string, choice: TurnChoice): Promise<void> {
    const edited = this.#edited;
    this.#edited = undefined;
    this.#frame.composer.showEditing(undefined);
    const reading = this.#reading;
    if (edited === undefined || (await this.#goBefore(edited))) this.#send(prompt, choice);
    // What was written is not lost; and where its conversation is still open it can be sent once more.
    else if (reading === this.#reading) this.#edit(edited, prompt);
    else this.#frame.composer.giveBack(prompt);
  }

  #edit(turn: Turn, prompt: string): void {
    this.#edited = turn;
    this.#frame.composer.showEditing({ number: this.#frame.transcript.numberOf(turn), prompt });
  }

  #send(prompt: string, choice: TurnChoice): void {
    if (this.#running !== undefined) return;
    if (this.#open.kind === "new") {
      const { profile } = choice;
      if (this.#frame.settings.profile?.keepsContent === true) {
        this.#open = { kind: "session", id: newId(), profile, isThere: false, stamp: "" };
        this.#wantedId = this.#open.id;
        this.#options.onPlace({ view: "chat", sessionId: this.#open.id }, true);
      } else this.#open = { kind: "plain", profile, said: new Conversation() };
      this.#showOpen();
    }
    const { traceId, traceparent } = newTrace();
    const turn = new Turn({ prompt, traceId, sentAtMs: performance.now() });
    const headers = { traceparent };
    this.#frame.transcript.showNotice();
    this.#options.announcer.say("Sent. Claude is working.");
    if (this.#open.kind === "session") void this.#sendKept(this.#open, turn, choice, headers);
    else void this.#sendPlain(this.#open, turn, choice, headers);
  }

  async #sendKept(
    session: Open & { kind: "session" },
    turn: Turn,
    { deadlineMs, ...choice }: TurnChoice,
    headers: Readonly<Record<string, string>>,
  ): Promise<void> {
    const { prompt } = turn.request;
    const request: MessageInitShape<typeof StreamChatRequestSchema> = {
      ...choice,
      prompt,
      session: { id: session.id, allowMissing: !session.isThere, title: titleOf(prompt) },
      // A call's deadline would end the call alone.
      ...(deadlineMs !== undefined && { limits: { maxDuration: durationFromMs(deadlineMs) } }),
    };
    const shown = this.#show(turn, { deadlineMs, ...choice }, true);
    const draw = () => {
      if (!session.isThere && turn.eventCount > 0) {
        session.isThere = true;
        void this.#frame.list?.refresh();
      }
      shown.draw();
    };
    const { api, attention } = this.#options;
    const start = { kind: "send", request, requestId: newId(), headers } as const;
    await this.#run(turn, shown, new KeptTurn(start, { api, attention, turn, draw }));
    await this.#ended(session);
  }

  async #sendPlain(
    { said }: Open & { kind: "plain" },
    turn: Turn,
    choice: TurnChoice,
    headers: Readonly<Record<string, string>>,
  ): Promise<void> {
    const { deadlineMs, ...rest } = choice;
    const { prompt } = turn.request;
    const history = said.history.map(({ role, text }) => ({ role, text }));
    const shown = this.#show(turn, choice, false);
    const { draw } = shown;
    const call = new PlainTurn(
      this.#options.api,
      { ...rest, prompt, history },
      { deadlineMs, headers },
      { turn, draw },
    );
    if (!(await this.#run(turn, shown, call))) return;
    if (turn.end?.kind === "result") said.add(prompt, turn.text || (turn.result?.text ?? ""));
    this.#showLength();
  }

  /** Reads a turn to its end. False: it was let go of before. */
  async #run(turn: Turn, { view, draw }: ShownTurn, running: RunningTurn): Promise<boolean> {
    this.#running = running;
    this.#showState();
    const clock = setInterval(() => view.drawClock(), 1_000);
    const end = await running.end();
    clearInterval(clock);
    if (this.#running !== running || end === undefined) return false;
    turn.finish(end);
    this.#running = undefined;
    this.#showState();
    draw();
    return true;
  }

  /** A turn of the session has ended: so that another tab's changes are told from this one's. */
  async #ended(session: Open & { kind: "session" }): Promise<void> {
    void this.#frame.list?.refresh();
    if (!session.isThere) return;
    try {
      session.stamp = await this.#stampOf(session.id);
    } catch {
      // Then it is read anew the next time that somebody looks.
    }
  }

  #show(turn: Turn, choice: TurnChoice, isKept: boolean): ShownTurn {
    const shown = this.#frame.transcript.add(turn, this.#actionsOf(turn, choice, isKept), true);
    this.#showLength();
    return shown;
  }

  #actionsOf(turn: Turn, choice: TurnChoice | undefined, isKept: boolean): TurnActions {
    const { prompt } = turn.request;
    const retry = () => {
      const now = choice ?? this.#choice;
      if (now !== undefined) this.#send(prompt, now);
    };
    if (!isKept) return { retry };
    const again = async () => {
      const now = this.#choice;
      if (now !== undefined && this.#running === undefined && (await this.#goBefore(turn))) this.#send(prompt, now);
    };
    const edit = () => {
      if (this.#running === undefined) this.#edit(turn, prompt);
    };
    return { retry, branch: { again: () => void again(), edit } };
  }

  get #choice(): TurnChoice | undefined {
    const { choice } = this.#frame.settings;
    return "problem" in choice ? undefined : choice;
  }

  /** Goes back to before a turn, in a copy if something came after it. False: it could not, and said so. */
  async #goBefore(turn: Turn): Promise<boolean> {
    const { kind } = this.#open;
    const reading = this.#reading;
    if (kind !== "session" || this.#branching === reading) return false;
    this.#branching = reading;
    this.#frame.showState("loading", true);
    try {
      const parts = { api: this.#options.api, signal: reading.signal };
      const branch = await branchBefore(parts, this.#open.id, turn.turnId);
      // Meanwhile another conversation may have been opened, and is shown as it is.
      if (reading.signal.aborted) return false;
      if (branch !== undefined) {
        this.#options.onPlace({ view: "chat", sessionId: branch }, false);
        return await this.#read(branch);
      }
      this.#showState();
      return true;
    } catch (error) {
      if (reading.signal.aborted) return false;
      this.#showState();
      this.#fail(error);
      return false;
    } finally {
      if (this.#branching === reading) this.#branching = undefined;
    }
  }

  /** Reads a session and shows it; joins the turn that runs in it. False: it could not, and said so. */
  async #read(id: string): Promise<boolean> {
    this.#leave();
    this.#wantedId = id;
    const reading = this.#reading;
    this.#frame.transcript.clear(false);
    this.#frame.transcript.showNotice(el("p", { class: "empty" }, "Loading …"));
    this.#frame.showState("loading", true);
    try {
      const { session, turns } = await readSession(this.#options.api, id, maxTurnsInPage, reading.signal);
      if (reading.signal.aborted) return false;
      const open: Open = { kind: "session", id, profile: session.profile, isThere: true, stamp: stampOf(session) };
      this.#open = open;
      this.#frame.transcript.clear(turns.length === 0);
      this.#showOpen();
      for (const record of turns) {
        if (record.state === TurnState.ENDED) this.#showRecorded(record);
      }
      const running = turns.find(({ state }) => state !== TurnState.ENDED);
      if (running !== undefined) void this.#join(open, running);
      else this.#showState();
      this.#frame.transcript.follow();
      return true;
    } catch (error) {
      if (reading.signal.aborted) return false;
      this.#begin();
      this.#fail(error, () => void this.#read(id));
      return false;
    }
  }

  #showRecorded(record: TurnRecord): void {
    const turn = turnOf(record);
    this.#frame.transcript.add(turn, this.#actionsOf(turn, undefined, hasTextPrompt(record)), false);
  }

  async #join(session: Open & { kind: "session" }, record: TurnRecord): Promise<void> {
    const turn = turnOf(record);
    const shown = this.#frame.transcript.add(turn, this.#actionsOf(turn, undefined, hasTextPrompt(record)), true);
    const { api, attention } = this.#options;
    const parts = { api, attention, turn, draw: shown.draw };
    const isOver = await this.#run(turn, shown, new KeptTurn({ kind: "attach", turnId: record.id }, parts));
    await this.#ended(session);
    // Others may have waited behind it.
    if (isOver) await this.#catchUp();
  }

  /** Somebody looks again: what other tabs and programs did meanwhile is shown. */
  async #catchUp(): Promise<void> {
    void this.#frame.list?.refresh();
    const open = this.#open;
    if (open.kind !== "session" || !open.isThere || this.#isBusy) return;
    try {
      const session = await this.#options.api.sessions.getSession({ id: open.id }).then((read) => read.session);
      const isOld = session !== undefined && (stampOf(session) !== open.stamp || session.runningTurnId !== "");
      if (isOld && this.#open === open && !this.#isBusy) await this.#read(open.id);
    } catch (error) {
      if (this.#open === open && isMissing(failureOf(error, { hasBegun: false }))) this.#deleted(open.id);
    }
  }

  /** A turn runs, a prompt is being changed, or another conversation is on its way. */
  get #isBusy(): boolean {
    const isElsewhere = this.#open.kind === "session" && this.#open.id !== this.#wantedId;
    return this.#running !== undefined || this.#edited !== undefined || this.#branching !== undefined || isElsewhere;
  }

  async #stampOf(id: string): Promise<string> {
    const { session } = await this.#options.api.sessions.getSession({ id });
    return session === undefined ? "" : stampOf(session);
  }

  #startAnew(): void {
    if (this.#running !== undefined && this.#open.kind === "plain") return;
    this.#begin();
    this.#options.onPlace({ view: "chat", sessionId: undefined }, false);
    this.#options.announcer.say("A new conversation.");
    this.#frame.composer.focus();
  }

  #deleted(id: string): void {
    if (this.#wantedId !== id) return;
    this.#begin();
    this.#options.onPlace({ view: "chat", sessionId: undefined }, true);
    this.#frame.transcript.showNotice(el("p", { class: "note" }, "The conversation was deleted."));
    this.#frame.composer.focus();
  }

  #begin(): void {
    this.#leave();
    this.#wantedId = undefined;
    this.#open = { kind: "new" };
    this.#frame.transcript.clear(true);
    this.#showOpen();
    this.#showState();
  }

  /** Whatever is open is open no more. */
  #leave(): void {
    this.#reading.abort();
    this.#reading = new AbortController();
    this.#running?.leave();
    this.#running = undefined;
    this.#edited = undefined;
    this.#frame.composer.showEditing(undefined);
    this.#frame.composer.waitForEnter();
  }

  #fail(error: unknown, retry: () => void = () => this.#frame.transcript.showNotice()): void {
    const failure = failureOf(error, { hasBegun: false });
    this.#frame.transcript.showNotice(failureElement(failure, { retry }, this.#options.announcer));
    this.#options.announcer.say(`${failure.title}. ${failure.message}`);
  }

  #showOpen(): void {
    const open = this.#open;
    this.#frame.settings.fixProfile(open.kind === "new" ? undefined : open.profile);
    this.#frame.list?.setOpen(open.kind === "session" ? open.id : undefined);
    this.#frame.showKeeping(open.kind === "new");
    this.#showLength();
  }

  #showState(): void {
    this.#frame.showState(this.#running === undefined ? "ready" : "running", this.#open.kind !== "plain");
  }

  #showLength(): void {
    const { count, forgottenCount } =
      this.#open.kind === "plain"
        ? { count: this.#open.said.length, forgottenCount: this.#open.said.forgottenCount }
        : { count: 0, forgottenCount: 0 };
    this.#frame.composer.showLength({ count, forgottenCount, hasTurns: !this.#frame.transcript.isEmpty });
  }
}
