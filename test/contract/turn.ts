/**
 * One turn as a client sees it, read to its end, with the grammar of a stream checked on the way: `started` first,
 * `result` last and once, sequences without gaps, one turn id.
 */
import type { TurnResult } from "../../gen/claude/runner/v1/result_pb.ts";
import type { StreamChatResponse } from "../../gen/claude/runner/v1/runner_pb.ts";
import { CallFailed } from "./transports.ts";

export type EventCase = Exclude<StreamChatResponse["event"]["case"], undefined>;
export type EventOf<C extends EventCase> = Extract<StreamChatResponse["event"], { case: C }>["value"];

export class SeenTurn {
  readonly responses: readonly StreamChatResponse[];
  /** What the call failed with. */
  readonly failure: CallFailed | undefined;

  constructor(responses: readonly StreamChatResponse[], failure: CallFailed | undefined) {
    this.responses = responses;
    this.failure = failure;
  }

  /** The events of one kind, in order. */
  all<C extends EventCase>(kind: C): EventOf<C>[] {
    return this.responses.flatMap(({ event }) => (event.case === kind ? [event.value as EventOf<C>] : []));
  }

  /** The kinds in order, without those that depend on the pace. */
  get kinds(): readonly EventCase[] {
    return this.responses.flatMap(({ event }) =>
      event.case === undefined || event.case === "heartbeat" ? [] : event.case,
    );
  }

  get turnId(): string {
    return this.responses[0]?.turnId ?? "";
  }

  get started(): EventOf<"started"> {
    const [started] = this.all("started");
    if (started === undefined) throw new Error(`the turn has not begun: ${this.failure}`);
    return started;
  }

  get result(): TurnResult {
    const [result] = this.all("result");
    if (result === undefined) throw new Error(`the turn has no result: ${this.failure}`);
    return result;
  }

  /** The text of all deltas as they came, without what was retracted. */
  get text(): string {
    return this.#textSince(0);
  }

  /** The same since the last answer of a tool to the main conversation: the answer of the turn. */
  get answer(): string {
    const lastToolResult = this.responses.findLastIndex(
      ({ event, parentToolUseId }) => event.case === "toolResult" && parentToolUseId === "",
    );
    return this.#textSince(lastToolResult + 1);
  }

  #textSince(from: number): string {
    let deltas: EventOf<"textDelta">[] = [];
    for (const { event } of this.responses.slice(from)) {
      if (event.case === "textDelta") deltas.push(event.value);
      else if (event.case === "retracted") {
        const { messageIndex, fromBlockIndex } = event.value;
        deltas = deltas.filter((delta) => delta.messageIndex !== messageIndex || delta.blockIndex < fromBlockIndex);
      }
    }
    return deltas.map(({ text }) => text).join("");
  }
}

/** Reads a turn to its end, whatever that is. Throws when the stream breaks the grammar of the contract. */
export async function readTurn(
  stream: AsyncIterable<StreamChatResponse>,
  onResponse: (response: StreamChatResponse) => void = () => {},
): Promise<SeenTurn> {
  const responses: StreamChatResponse[] = [];
  let failure: CallFailed | undefined;
  try {
    for await (const response of stream) {
      responses.push(response);
      onResponse(response);
    }
  } catch (error) {
    if (!(error instanceof CallFailed)) throw error;
    failure = error;
  }
  const broken = brokenRule(responses, failure);
  if (broken !== undefined) throw new Error(`the stream breaks the contract: ${broken}`, { cause: failure });
  return new SeenTurn(responses, failure);
}

function brokenRule(responses: readonly StreamChatResponse[], failure: CallFailed | undefined): string | undefined {
  const [first] = responses;
  if (first === undefined) return failure === undefined ? "neither events nor a failure" : undefined;
  if (first.event.case !== "started") return `it begins with ${first.event.case}`;
  if (first.turnId === "") return "no turn id";
  let sequence = 0;
  for (const [at, response] of responses.entries()) {
    // A heartbeat repeats the number before it.
    if (response.event.case !== "heartbeat") sequence += 1;
    if (response.sequence !== sequence) return `event ${sequence} has the sequence ${response.sequence}`;
    if (response.turnId !== first.turnId) return "two turn ids";
    if (response.event.case === "started" && at > 0) return "it starts twice";
    if (response.event.case === "result" && at < responses.length - 1) return "there is something behind the result";
  }
  const last = responses.at(-1);
  // A client's own cancel or deadline ends its reading at once; every other end has a result in front of it.
  if (last?.event.case !== "result" && failure === undefined) return "it ends without a result";
  if (last?.event.case === "result" && last.event.value.lastSequence !== last.sequence - 1)
    return `the result counts ${last.event.value.lastSequence} events before it`;
  return undefined;
}
