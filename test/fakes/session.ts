/**
 * The fake's side of the protocol: lines in, the queue of user lines, seeded history, turns one after another, the end of
 * input, signals. Leaves out what control requests are answered (`controls.ts`) and what a turn says (`turn.ts`).
 */
import { randomUUID } from "node:crypto";
import { Acts, type Stage } from "./acts.ts";
import type { Arguments } from "./arguments.ts";
import {
  answerControl,
  type ControlledSession,
  isObject,
  type JsonObject,
  modelOf,
  type Settings,
} from "./controls.ts";
import { Conversation } from "./conversation.ts";
import { die, parseLine, textOf } from "./input.ts";
import { Ledger } from "./ledger.ts";
import { ModelCalls } from "./model-calls.ts";
import type { Output } from "./output.ts";
import { type ResultFacts, result } from "./result-shape.ts";
import { type Act, type ControlScript, type ProcessScript, readMarkers } from "./script.ts";
import * as shapes from "./shapes.ts";
import { Transcript } from "./transcript.ts";
import { Turn } from "./turn.ts";
import { noUsage } from "./usage.ts";

/** A line that waits until it is worked off. */
type Job =
  | {
      readonly kind: "user";
      readonly uuid: string | undefined;
      readonly text: string;
      readonly isComposed: boolean;
      /** False for seeded history. */
      readonly asksModel: boolean;
    }
  | { readonly kind: "assistant"; readonly uuid: string; readonly text: string };

type UserJob = Job & { kind: "user" };

export class Session implements Stage, ControlledSession {
  readonly output: Output;
  readonly record: (entry: object) => void;
  readonly settings: Settings;
  readonly conversation = new Conversation();
  readonly ledger = new Ledger();
  readonly #arguments: Arguments;
  readonly #script: ProcessScript;
  readonly #acts: Acts;
  readonly #jobs: Job[] = [];
  readonly #seenUuids = new Set<string>();
  readonly #controlCounts = new Map<string, number>();
  readonly #saysState = process.env.CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS === "1";
  readonly #startedAtMs = performance.now();
  readonly #modelCalls = new ModelCalls(process.env.ANTHROPIC_BASE_URL);
  #sessionId: string;
  readonly #transcript: Transcript | undefined;
  #systemPrompt: string | undefined;
  /** By the first `initialize`, or by a line that came before it. */
  #isBound = false;
  #turn: Turn | undefined;
  #isWorking = false;
  #turnCount = 0;
  #resultCount = 0;
  #lastResultWasError = false;
  #staleEvents: readonly object[] = [];
  #interruptsToIgnore = 0;
  #ignoresTerm = false;
  #ignoresEof = false;
  /** Set when the input is over: what to exit with, `undefined` for what the last result says. */
  #ending: { readonly code: number | undefined } | undefined;

  constructor(args: Arguments, script: ProcessScript, output: Output, record: (entry: object) => void) {
    this.#arguments = args;
    this.#script = script;
    this.output = output;
    this.record = record;
    this.settings = {
      launched: args,
      model: undefined,
      effort: undefined,
      permissionMode: args.permissionMode,
      hasSchema: false,
    };
    this.#acts = new Acts(this);
    const { session } = args;
    this.#sessionId = session.kind === "forgotten" ? randomUUID() : session.id;
    this.#transcript = openTranscript(session);
    if (session.kind === "resumed") this.#takeUp();
    this.#systemPrompt = args.systemPrompt;
  }

  /** Goes on with what its transcript has. */
  #takeUp(): void {
    for (const { type, uuid, text } of this.#transcript?.entries() ?? []) {
      if (type === "user") this.conversation.addPrompt(uuid, text);
      else this.conversation.addAssistant(uuid, text);
    }
  }

  async start(): Promise<void> {
    await this.#acts.perform("start", this.#processActs());
    if (this.#arguments.isBare) this.output.say(shapes.uiInvalidate(this.#sessionId));
    process.on("SIGTERM", () => {
      if (!this.#ignoresTerm) process.exit(143);
    });
    process.on("SIGHUP", () => process.exit(129));
    process.on("SIGINT", () => {
      this.#turn?.interrupt();
      this.endInput(0);
    });
  }

  /** Takes a line, whatever it is. What the real CLI does not survive ends this process too. */
  receive(line: string): void {
    if (line.trim() === "") return;
    const message = parseLine(line);
    this.record({ in: message });
    switch (message.type) {
      case "control_request":
        if (!isObject(message.request)) die("Error: Missing request on control_request");
        void this.#answer(String(message.request_id), message.request);
        break;
      case "user":
        this.#takeUser(message);
        break;
      case "assistant":
        this.#takeAssistant(message);
        break;
      case "control_response":
        if (isObject(message.response)) this.#turn?.answered(String(message.response.request_id));
        break;
      default:
      // Whatever else comes is ignored, as the real CLI does.
    }
  }

  /** The input is over: what has begun is finished, then the process ends. */
  endInput(code?: number): void {
    this.#ending = { code };
    if (!this.#isWorking) this.#endIfDone();
  }

  // ---- what acts and control requests may see and do ------------------------------------------------------------

  get sessionId(): string {
    return this.#sessionId;
  }

  get isWorking(): boolean {
    return this.#isWorking;
  }

  get ageMs(): number {
    return Math.round(performance.now() - this.#startedAtMs);
  }

  get context(): shapes.Context {
    return this.#contextOf([]);
  }

  get queuedUuids(): readonly string[] {
    return this.#jobs.flatMap((job) => (job.kind === "user" && job.uuid !== undefined ? [job.uuid] : []));
  }

  say(message: object): void {
    this.output.say(message);
  }

  cancelQueued(only?: string): readonly string[] {
    const cancelled = this.queuedUuids.filter((uuid) => only === undefined || uuid === only);
    for (const uuid of cancelled) {
      this.#jobs.splice(
        this.#jobs.findIndex((job) => job.uuid === uuid),
        1,
      );
      this.#sayLifecycle(uuid, "cancelled");
    }
    return cancelled;
  }

  interruptTurn(): void {
    if (this.#turn === undefined) return;
    if (this.#interruptsToIgnore > 0) this.#interruptsToIgnore--;
    else this.#turn.interrupt();
  }

  end(): void {
    void this.#exit(0);
  }

  stopReading(): void {
    process.stdin.pause();
    // Without anything to wait for, Node would end.
    setInterval(() => undefined, 3_600_000);
  }

  compactConversation(): void {
    this.conversation.compact(randomUUID());
  }

  ignoreInterrupts(count: number): void {
    this.#interruptsToIgnore = count;
  }

  ignoreTerm(): void {
    this.#ignoresTerm = true;
  }

  ignoreEof(): void {
    this.#ignoresEof = true;
  }

  // ---- control requests -----------------------------------------------------------------------------------------

  async #answer(requestId: string, request: JsonObject): Promise<void> {
    if (request.subtype === "initialize") {
      await this.#acts.perform("initialize", this.#processActs());
      this.#bind(request);
    }
    const script = this.#controlScript(String(request.subtype));
    if (script?.silent) return;
    if (script?.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, script.delayMs));
    const reply =
      script?.error !== undefined
        ? ({ kind: "error", error: script.error } as const)
        : script?.reply !== undefined
          ? ({ kind: "success", response: script.reply } as const)
          : answerControl(request, this);
    this.output.say(shapes.controlResponse(requestId, reply));
    if (reply.kind === "success" && "after" in reply && reply.after !== undefined) this.output.say(reply.after);
  }

  #bind({ systemPrompt, appendSystemPrompt }: JsonObject): void {
    if (this.#isBound) return;
    this.#isBound = true;
    if (Array.isArray(systemPrompt)) this.#systemPrompt = systemPrompt.join("\n");
    if (typeof appendSystemPrompt === "string") this.#systemPrompt += `\n${appendSystemPrompt}`;
  }

  #controlScript(subtype: string): ControlScript | undefined {
    const script = this.#script.controls?.[subtype];
    const count = this.#controlCounts.get(subtype) ?? 0;
    this.#controlCounts.set(subtype, count + 1);
    return script?.times !== undefined && count >= script.times ? undefined : script;
  }

  // ---- user and assistant lines ---------------------------------------------------------------------------------

  #takeUser(message: JsonObject): void {
    const inner = message.message;
    const role = isObject(inner) ? inner.role : undefined;
    if (!isObject(inner) || role !== "user") die(`Error: Expected message role 'user', got '${String(role)}'`);
    const uuid = typeof message.uuid === "string" && message.uuid !== "" ? message.uuid : undefined;
    if (uuid !== undefined && this.#seenUuids.has(uuid)) {
      // A repeated uuid is dropped, without a result.
      if (!this.#isWorking) this.#sayState("idle");
      return;
    }
    if (!this.#isWorking) this.#sayState("running");
    if (uuid !== undefined) {
      this.#seenUuids.add(uuid);
      this.#sayLifecycle(uuid, "queued");
    }
    this.#enqueue({
      kind: "user",
      uuid,
      text: textOf(inner.content),
      isComposed: message.client_composed === true,
      asksModel: message.shouldQuery !== false,
    });
  }

  #takeAssistant(message: JsonObject): void {
    const uuid = typeof message.uuid === "string" ? message.uuid : randomUUID();
    const text = isObject(message.message) ? textOf(message.message.content) : "";
    this.#enqueue({ kind: "assistant", uuid, text });
  }

  #enqueue(job: Job): void {
    this.#isBound = true;
    this.#jobs.push(job);
    if (this.#isWorking) return;
    this.#isWorking = true;
    this.#work().catch((error: unknown) => die(`fake claude: ${error instanceof Error ? error.stack : error}`));
  }

  async #work(): Promise<void> {
    let hasRun = false;
    for (let job = this.#jobs.shift(); job !== undefined; job = this.#jobs.shift()) {
      if (job.kind === "assistant") {
        await this.#storeAssistant(job);
        continue;
      }
      // The first one runs alone; those that came meanwhile are one turn.
      const more = hasRun && job.asksModel ? this.#takeMoreQuestions() : [];
      hasRun = true;
      await this.#runLine([job, ...more]);
    }
    this.#isWorking = false;
    if (hasRun) this.#sayState("idle");
    if (hasRun) void this.#acts.perform("idle", this.#processActs());
    if (this.#ending !== undefined) this.#endIfDone();
  }

  #takeMoreQuestions(): readonly UserJob[] {
    const taken: UserJob[] = [];
    for (let job = this.#jobs[0]; job?.kind === "user" && job.asksModel; job = this.#jobs[0]) {
      taken.push(job);
      this.#jobs.shift();
    }
    return taken;
  }

  async #storeAssistant({ uuid, text }: Job & { kind: "assistant" }): Promise<void> {
    await this.#acts.perform("seeding", this.#processActs());
    this.conversation.addAssistant(uuid, text);
    this.#sayLifecycle(uuid, "completed");
  }

  async #runLine(jobs: readonly UserJob[]): Promise<void> {
    const uuids = jobs.flatMap(({ uuid }) => (uuid === undefined ? [] : [uuid]));
    const last = jobs.at(-1)!;
    for (const uuid of uuids) this.#sayLifecycle(uuid, "started");
    for (const event of this.#staleEvents) this.output.say(event);
    this.#staleEvents = [];
    let state: "completed" | "cancelled" = "completed";
    if (!last.isComposed && /^\/(?:clear|reset|new)$/u.test(last.text)) this.#clear(uuids);
    else if (last.asksModel) state = await this.#runTurn(jobs, uuids);
    else await this.#seed(last, uuids);
    for (const uuid of uuids) this.#sayLifecycle(uuid, state);
  }

  async #seed(job: UserJob, uuids: readonly string[]): Promise<void> {
    await this.#acts.perform("seeding", this.#processActs());
    this.conversation.addPrompt(job.uuid ?? randomUUID(), job.text);
    this.#sayLocalResult(uuids);
  }

  #clear(uuids: readonly string[]): void {
    this.output.say(shapes.conversationReset(this.#sessionId, uuids.at(-1)));
    this.output.say(shapes.backgroundTasks(this.#sessionId, 0));
    this.#sessionId = randomUUID();
    this.conversation.clear();
    this.ledger.clear();
    this.#sayLocalResult(uuids, "clear");
  }

  /** The whole of a "turn" that asks no model. */
  #sayLocalResult(uuids: readonly string[], command?: string): void {
    const context = this.#contextOf(uuids);
    this.output.say(shapes.init(context, this.#initFacts()));
    this.output.say(this.#makeResult(context, { end: { kind: "local", command } }));
  }

  async #runTurn(jobs: readonly UserJob[], uuids: readonly string[]): Promise<"completed" | "cancelled"> {
    const prompt = jobs.map(({ text }) => text).join("\n");
    const asked = readMarkers(prompt);
    for (const job of jobs) {
      const uuid = job.uuid ?? randomUUID();
      this.conversation.addPrompt(uuid, job.text);
      this.#transcript?.add({ type: "user", uuid, text: job.text });
    }
    const context = this.#contextOf(uuids);
    const startedAtMs = performance.now();
    const facts = {
      context,
      init: this.#initFacts(),
      prompt,
      answer: { ...this.#script.answer, ...asked.answer },
      acts: [...this.#processActs(), ...(this.#script.turns?.[this.#turnCount++] ?? []), ...asked.acts],
      callModel: () => this.#callModel(),
      sayState: (state: "running" | "requires_action") => this.#sayState(state),
      onAssistant: (uuid: string, text: string) => {
        this.conversation.addAssistant(uuid, text);
        this.#transcript?.add({ type: "assistant", uuid, text });
      },
    };
    const turn = new Turn(facts, this.output, this.#acts);
    this.#turn = turn;
    const { end, usage, booked, turnCount, begunMessageIds } = await turn.run();
    // From here on it is too late to interrupt.
    this.#turn = undefined;
    if (end.kind === "interrupted") this.conversation.addNote("[Request interrupted by user]");
    this.ledger.book(context.model, booked);
    const durationMs = Math.round(performance.now() - startedAtMs);
    turn.sayResult(this.#makeResult(context, { end, usage, turnCount, begunMessageIds, durationMs }));
    this.#staleEvents = turn.staleEvents;
    await turn.at("afterResult");
    return end.kind === "interrupted" ? "cancelled" : "completed";
  }

  #callModel(): Promise<void> {
    return this.#modelCalls.send(this.#sessionId, {
      model: modelOf(this.settings),
      messages: this.conversation.messages(),
      system: [{ type: "text", text: this.#systemPrompt ?? "" }],
      metadata: { user_id: JSON.stringify({ session_id: this.#sessionId }) },
    });
  }

  #makeResult(
    context: shapes.Context,
    facts: Pick<ResultFacts, "end"> &
      Partial<Pick<ResultFacts, "usage" | "turnCount" | "begunMessageIds" | "durationMs">>,
  ): object {
    this.#lastResultWasError = facts.end.kind === "apiError" || facts.end.kind === "interrupted";
    return result(context, {
      index: this.#resultCount++,
      durationMs: 1,
      turnCount: 0,
      begunMessageIds: [],
      usage: noUsage,
      sessionUsage: this.ledger.session,
      usageSinceLast: this.ledger.takeSinceLast(),
      queuedTurnCount: 0,
      ...facts,
    });
  }

  // ---- the rest -------------------------------------------------------------------------------------------------

  #endIfDone(): void {
    // Something has to keep the process alive when its input does not.
    if (this.#ignoresEof) setInterval(() => undefined, 3_600_000);
    else void this.#exit(this.#ending?.code ?? (this.#lastResultWasError ? 1 : 0));
  }

  async #exit(code: number): Promise<never> {
    await this.output.flushed();
    process.exit(code);
  }

  #processActs(): readonly Act[] {
    return this.#script.acts ?? [];
  }

  #contextOf(userUuids: readonly string[]): shapes.Context {
    return { sessionId: this.#sessionId, model: modelOf(this.settings), userUuids };
  }

  #initFacts(): shapes.InitFacts {
    return {
      cwd: process.cwd(),
      tools: [...this.#arguments.tools, ...(this.settings.hasSchema ? ["StructuredOutput"] : [])],
      permissionMode: this.settings.permissionMode,
      version: this.#arguments.version,
      apiKeySource: process.env.ANTHROPIC_API_KEY === undefined ? "none" : "ANTHROPIC_API_KEY",
    };
  }

  #sayState(state: "running" | "requires_action" | "idle"): void {
    if (this.#saysState) this.output.say(shapes.sessionState(this.#sessionId, state));
  }

  #sayLifecycle(uuid: string, state: Parameters<typeof shapes.lifecycle>[2]): void {
    this.output.say(shapes.lifecycle(this.#sessionId, uuid, state));
  }
}

function openTranscript(session: Arguments["session"]): Transcript | undefined {
  if (session.kind === "forgotten") return undefined;
  const { id } = session;
  const home = process.env.HOME ?? "/nowhere";
  if (session.kind === "begun") return Transcript.begin(home, process.cwd(), id);
  return Transcript.find(home, id) ?? die(`No conversation found with session ID: ${id}`);
}
