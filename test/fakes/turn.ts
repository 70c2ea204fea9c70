/**
 * One turn of the fake: the messages of an answer, in the order in which the real CLI writes them, and those of an
 * interrupt in the middle of it.
 *
 * Leaves out what is around turns: the queue, the lifecycle lines, who may interrupt.
 */
import { randomUUID } from "node:crypto";
import { setImmediate as nextTask } from "node:timers/promises";
import type { Acts, TurnStage } from "./acts.ts";
import type { Output } from "./output.ts";
import type { ResultFacts } from "./result-shape.ts";
import type { Act, Answer, Point } from "./script.ts";
import * as shapes from "./shapes.ts";
import { addUsage, noUsage, type Usage } from "./usage.ts";

export interface TurnFacts {
  readonly context: shapes.Context;
  readonly init: shapes.InitFacts;
  readonly prompt: string;
  readonly answer: Answer;
  readonly acts: readonly Act[];
  /** Sends what the real CLI would send to the model. */
  readonly callModel: () => Promise<void>;
  /** Says what the session is doing, where it says so at all. */
  readonly sayState: (state: "running" | "requires_action") => void;
  /** Each assistant line, for the conversation. */
  readonly onAssistant: (uuid: string, text: string) => void;
}

export interface TurnEnd {
  readonly end: ResultFacts["end"];
  /** Of the calls that were answered; an interrupted one has none. */
  readonly usage: Usage;
  /** What is booked, an estimate for an interrupted call included. */
  readonly booked: Usage;
  readonly turnCount: number;
  readonly begunMessageIds: readonly string[];
}

/** What each call to the model "uses". */
const callUsage: Usage = {
  inputTokens: 1000,
  outputTokens: 50,
  cacheReadInputTokens: 300,
  cacheCreationInputTokens: 200,
};

class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/** The message that is being streamed. */
interface OpenMessage {
  readonly id: string;
  readonly context: shapes.Context;
  /** The block that is open, with its text so far. */
  block: { readonly index: number; text: string } | undefined;
  blockCount: number;
}

export class Turn implements TurnStage {
  readonly #facts: TurnFacts;
  readonly #output: Output;
  readonly #acts: Acts;
  readonly #interrupt = new AbortController();
  #message: OpenMessage | undefined;
  readonly #begunMessageIds: string[] = [];
  #callCount = 0;
  #assistantCount = 0;
  #usage = noUsage;
  #booked = noUsage;
  #result: object | undefined;
  #staleEvents: readonly object[] = [];
  /** The questions that wait for an answer, by their ids. */
  readonly #asked = new Map<string, () => void>();

  constructor(facts: TurnFacts, output: Output, acts: Acts) {
    this.#facts = facts;
    this.#output = output;
    this.#acts = acts;
  }

  /** What is said of it when the next turn has begun. */
  get staleEvents(): readonly object[] {
    return this.#staleEvents;
  }

  interrupt(): void {
    this.#interrupt.abort();
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const { signal } = this.#interrupt;
      const onAbort = () => {
        clearTimeout(timer);
        reject(new Interrupted());
      };
      if (signal.aborted) {
        reject(new Interrupted());
        return;
      }
      const timer = setTimeout(() => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      }, ms);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** As the real one does: a permission makes the session wait, and an interrupt withdraws the question. */
  async ask(request: { readonly subtype?: unknown }, withdrawAfterMs = 2_147_483_647): Promise<void> {
    const id = randomUUID();
    const isPermission = request.subtype === "can_use_tool";
    if (isPermission) this.#facts.sayState("requires_action");
    const answered = new Promise<"answered">((resolve) => this.#asked.set(id, () => resolve("answered")));
    this.#output.say(shapes.controlRequest(id, request));
    const withdraw = () => {
      if (this.#asked.delete(id)) this.#output.say(shapes.controlCancel(id));
    };
    try {
      if ((await Promise.race([answered, this.pause(withdrawAfterMs)])) !== "answered") withdraw();
    } catch (error) {
      withdraw();
      throw error;
    }
    if (isPermission) this.#facts.sayState("running");
  }

  /** A question was answered. */
  answered(requestId: string): void {
    this.#asked.get(requestId)?.();
    this.#asked.delete(requestId);
  }

  sayResultAgain(): void {
    if (this.#result !== undefined) this.#output.say({ ...this.#result, uuid: randomUUID() });
  }

  leaveStaleEvents(): void {
    this.#staleEvents = ["stale ", "text"].map((text) =>
      shapes.streamEvent(
        this.#facts.context,
        { type: "content_block_delta", index: 0, delta: { type: "text_delta", text } },
        this.#begunMessageIds.at(-1) ?? "",
      ),
    );
  }

  at(point: Point): Promise<void> {
    return this.#acts.perform(point, this.#facts.acts, this);
  }

  /** Everything between the two lifecycle lines but the result. */
  async run(): Promise<TurnEnd> {
    const begunMessageIds = this.#begunMessageIds;
    try {
      const end = await this.#play();
      return { end, usage: this.#usage, booked: this.#booked, turnCount: this.#callCount, begunMessageIds };
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      this.#sayInterrupted();
      const turnCount = this.#callCount + 1;
      return { end: { kind: "interrupted" }, usage: noUsage, booked: this.#booked, turnCount, begunMessageIds };
    }
  }

  sayResult(result: object): void {
    this.#result = result;
    this.#output.say(result);
  }

  async #play(): Promise<ResultFacts["end"]> {
    const { answer, context, init } = this.#facts;
    await this.at("beforeInit");
    this.#output.say(shapes.init(context, init));
    await this.at("afterInit");
    this.#output.say(shapes.status(context, "requesting"));
    await this.#sayRetries();
    if (answer.error !== undefined) {
      const error = apiErrorOf(answer.error);
      this.#output.say(shapes.apiErrorAssistant(context, error));
      await this.at("beforeResult");
      return { kind: "apiError", error };
    }
    if (answer.tool !== undefined) await this.#useTool(answer.tool);
    if (answer.retracts) await this.#sayRetractedMessage();
    if (answer.structuredOutput !== undefined) return this.#giveStructuredOutput(answer.structuredOutput);
    const text = await this.#sayAnswer();
    await this.at("beforeResult");
    return { kind: "completed", text, stopReason: answer.stopReason ?? "end_turn" };
  }

  async #sayRetries(): Promise<void> {
    const { answer, context } = this.#facts;
    if (answer.retries === undefined) return;
    const { count, status = 500, delayMs = 0 } = answer.retries;
    for (let attempt = 1; attempt <= count; attempt++) {
      this.#output.say(shapes.apiRetry(context, attempt, Math.max(count, 2), status));
      await this.pause(delayMs);
    }
  }

  async #sayAnswer(): Promise<string> {
    const { answer, prompt } = this.#facts;
    await this.#facts.callModel();
    this.#startMessage();
    if (answer.thinking !== undefined) this.#sayThinking(answer.thinking);
    this.#startBlock({ type: "text", text: "" });
    const text =
      answer.flood === undefined
        ? await this.#sayText(answer.text ?? echo(prompt), answer.deltaChars ?? 10)
        : await this.#flood(answer.flood.deltas, answer.flood.chars);
    this.#endBlock({ type: "text", text });
    this.#endMessage(answer.stopReason ?? "end_turn");
    return text;
  }

  async #sayText(text: string, deltaChars: number): Promise<string> {
    const characters = Array.from(text);
    const deltaCount = Math.ceil(characters.length / deltaChars);
    const half = Math.floor(deltaCount / 2);
    const startedAtMs = performance.now();
    for (let delta = 0; delta < deltaCount; delta++) {
      if (delta === half) await this.at("midText");
      await this.#keepPace(delta, startedAtMs);
      this.#sayTextDelta(characters.slice(delta * deltaChars, (delta + 1) * deltaChars).join(""));
    }
    if (deltaCount === 0) await this.at("midText");
    return text;
  }

  /** Waits until a delta is due. */
  async #keepPace(delta: number, startedAtMs: number): Promise<void> {
    const { perSecond } = this.#facts.answer;
    const waitMs = perSecond === undefined ? 0 : startedAtMs + (delta * 1000) / perSecond - performance.now();
    if (waitMs > 1) await this.pause(waitMs);
    else if (this.#interrupt.signal.aborted) throw new Interrupted();
  }

  /** Encoded by hand, many lines at once: this is what measures how fast a reader can be. */
  async #flood(deltaCount: number, chars: number): Promise<string> {
    const message = this.#message!;
    const [before, between, after] = shapes.textDeltaParts(message.context, message.id, message.block!.index);
    const linesPerWrite = Math.max(1, Math.floor(65_536 / (before.length + between.length + after.length + chars)));
    const startedAtMs = performance.now();
    const half = Math.floor(deltaCount / 2);
    let text = "";
    let midTextIsDone = false;
    for (let delta = 0; delta < deltaCount; ) {
      if (!midTextIsDone && delta >= half) {
        midTextIsDone = true;
        await this.at("midText");
      }
      await this.#keepPace(delta, startedAtMs);
      const { perSecond } = this.#facts.answer;
      const due = perSecond === undefined ? deltaCount : ((performance.now() - startedAtMs) * perSecond) / 1000;
      const until = Math.min(deltaCount, delta + linesPerWrite, Math.max(delta + 1, Math.floor(due)));
      let lines = "";
      for (; delta < until; delta++) {
        const piece = `${delta} `.padEnd(chars, "lorem ipsum ").slice(0, Math.max(chars, 1));
        text += piece;
        lines += `${before}"${piece}"${between}"${randomUUID()}"${after}`;
      }
      message.block!.text = text;
      await this.#output.writeBulk(lines);
      // Lets input be read: an interrupt may have come.
      await nextTask();
    }
    return text;
  }

  async #useTool(tool: NonNullable<Answer["tool"]>): Promise<void> {
    const { context } = this.#facts;
    await this.#facts.callModel();
    this.#startMessage();
    const id = this.#sayToolUse(tool.name, tool.input ?? {});
    this.#endMessage("tool_use");
    this.#output.say(shapes.toolResult(context, id, tool.result ?? "done", tool.isError ?? false));
    this.#output.say(shapes.status(context, "requesting"));
  }

  async #giveStructuredOutput(value: unknown): Promise<ResultFacts["end"]> {
    await this.#facts.callModel();
    this.#startMessage();
    const id = this.#sayToolUse("StructuredOutput", value as object);
    this.#endMessage("tool_use");
    const note = "Structured output provided successfully";
    this.#output.say(shapes.toolResult(this.#facts.context, id, note, false));
    await this.at("beforeResult");
    return { kind: "completed", text: JSON.stringify(value), stopReason: "tool_use", structuredOutput: value };
  }

  async #sayRetractedMessage(): Promise<void> {
    await this.#facts.callModel();
    const message = this.#startMessage();
    this.#startBlock({ type: "text", text: "" });
    this.#sayTextDelta("This is taken back. ");
    this.#event({ type: "content_block_stop", index: 0 });
    const abandoned = { api_message_id: message.id, from_block_index: 0 };
    this.#event({ type: "message_stop" }, { abandoned_blocks: abandoned });
    this.#message = undefined;
  }

  #sayThinking(thinking: string): void {
    const display = { thinking_display: "updates" };
    const index = this.#startBlock({ type: "thinking", thinking: "", signature: "" }, display);
    this.#event({ type: "content_block_delta", index, delta: { type: "thinking_delta", thinking } }, display);
    this.#event({ type: "content_block_delta", index, delta: { type: "signature_delta", signature: "c2ln" } });
    this.#endBlock({ type: "thinking", thinking, signature: "c2ln" }, { ...display, thinking_duration_ms: 1 });
  }

  #sayToolUse(name: string, input: object): string {
    const id = `toolu_${randomUUID().slice(0, 12)}`;
    const index = this.#startBlock({ type: "tool_use", id, name, input: {} });
    const delta = { type: "input_json_delta", partial_json: JSON.stringify(input) };
    this.#event({ type: "content_block_delta", index, delta });
    this.#endBlock({ type: "tool_use", id, name, input });
    return id;
  }

  #startMessage(): OpenMessage {
    const isFirst = this.#callCount++ === 0;
    const { context } = this.#facts;
    const id = `msg_${randomUUID().replaceAll("-", "").slice(0, 12)}`;
    this.#begunMessageIds.push(id);
    this.#message = { id, context, block: undefined, blockCount: 0 };
    this.#output.say(shapes.messageStart(context, id, callUsage, isFirst));
    return this.#message;
  }

  #startBlock(contentBlock: object, members?: object): number {
    const message = this.#message!;
    const index = message.blockCount++;
    message.block = { index, text: "" };
    this.#event({ type: "content_block_start", index, content_block: contentBlock }, members);
    return index;
  }

  #sayTextDelta(text: string): void {
    const block = this.#message!.block!;
    block.text += text;
    this.#event({ type: "content_block_delta", index: block.index, delta: { type: "text_delta", text } });
  }

  #endBlock(content: object, members?: object): void {
    const message = this.#message!;
    this.#sayAssistant(content, false, members);
    this.#event({ type: "content_block_stop", index: message.block!.index });
    message.block = undefined;
  }

  #endMessage(stopReason: string): void {
    const delta = { stop_reason: stopReason, stop_sequence: null };
    this.#event({ type: "message_delta", delta, usage: shapes.apiUsage(callUsage) });
    this.#event({ type: "message_stop" });
    this.#message = undefined;
    this.#usage = addUsage(this.#usage, callUsage);
    this.#booked = addUsage(this.#booked, callUsage);
  }

  #sayAssistant(content: object, aborted: boolean, members?: object): void {
    const message = this.#message!;
    const uuid = randomUUID();
    const { id, context } = message;
    const isFirst = this.#assistantCount++ === 0;
    this.#output.say({ ...shapes.assistant(context, id, callUsage, content, { isFirst, aborted, uuid }), ...members });
    this.#facts.onAssistant(uuid, "text" in content ? String(content.text) : "");
  }

  #event(event: object, members?: object): void {
    const message = this.#message!;
    this.#output.say(shapes.streamEvent(message.context, event, message.id, members));
  }

  #sayInterrupted(): void {
    const { context } = this.#facts;
    const message = this.#message;
    const block = message?.block;
    if (block !== undefined && block.text !== "") this.#sayAssistant({ type: "text", text: block.text }, true);
    this.#output.say(shapes.userText(context, "[Request interrupted by user]"));
    if (message === undefined) return;
    if (block !== undefined) this.#event({ type: "content_block_stop", index: block.index });
    const delta = { container: null, stop_details: null, stop_reason: null, stop_sequence: null };
    const usage = shapes.apiUsage(callUsage, 1);
    this.#event({ type: "message_delta", context_management: null, delta, usage });
    const abandoned = { api_message_id: message.id, from_block_index: message.blockCount };
    this.#event({ type: "message_stop" }, { abandoned_blocks: abandoned });
    const estimate = { ...callUsage, outputTokens: Math.ceil((block?.text.length ?? 0) / 3) };
    this.#booked = addUsage(this.#booked, estimate);
  }
}

function echo(prompt: string): string {
  const asked = prompt.replaceAll(/\[\[fake .*?\]\]/gsu, "").trim();
  return `You said: ${asked}`;
}

function apiErrorOf(error: NonNullable<Answer["error"]>): shapes.ApiError {
  const { status, type } = error;
  const message = error.message ?? `API Error: ${status ?? "Connection error"} the fake was told to fail`;
  return { status, error: error.error ?? "unknown", type, message };
}
