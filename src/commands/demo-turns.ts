/**
 * The turns of the demo: asks, shows the text as it streams, draws where the time went.
 */
import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { ClaimSource } from "../../gen/claude/runner/v1/event_pb.ts";
import { type Stages, type TurnResult, WorkerFate } from "../../gen/claude/runner/v1/result_pb.ts";
import { ClaudeRunner, Detail } from "../../gen/claude/runner/v1/runner_pb.ts";
import { milliseconds } from "../service/protobuf.ts";
import { bar, formatMs, timeline } from "./timeline.ts";

/** How a turn of the demo went. */
export interface DemoTurn {
  readonly label: string;
  readonly claim: string;
  readonly workerId: string;
  readonly stages: Stages;
  readonly result: TurnResult;
  /** From the arrival of the call to its first text, in milliseconds. */
  readonly firstTextMs: number;
}

export interface DemoScreen {
  /** How many characters a line has. */
  readonly columns: number;
  readonly write: (text: string) => void;
  readonly dim: (text: string) => string;
  readonly bold: (text: string) => string;
  /** A text with its command lines as they are typed here. */
  readonly asTyped: (text: string) => string;
}

export interface DemoRequest {
  readonly label: string;
  readonly prompt: string;
  readonly profile: string;
  readonly systemPrompt?: string;
}

const claims: Partial<Record<ClaimSource, string>> = {
  [ClaimSource.REUSED]: "reused worker",
  [ClaimSource.SPARE]: "spare worker",
  [ClaimSource.COLD_NO_SPARE]: "cold start, no spare",
  [ClaimSource.COLD_POOL_OFF]: "cold start",
};

/** Clients of both ports; the token goes with every call. */
export function demoClients(grpcUrl: string, webUrl: string, token: string) {
  const authorize: Interceptor = (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
  const interceptors = [authorize];
  return {
    grpc: createClient(ClaudeRunner, createGrpcTransport({ baseUrl: grpcUrl, interceptors })),
    web: createClient(
      ClaudeRunner,
      createConnectTransport({ baseUrl: webUrl, httpVersion: "1.1", useBinaryFormat: false, interceptors }),
    ),
  };
}

/** Runs one turn and shows it. */
export async function demoTurn(
  client: Client<typeof ClaudeRunner>,
  request: DemoRequest,
  screen: DemoScreen,
  signal: AbortSignal,
): Promise<DemoTurn> {
  const { write, dim, bold } = screen;
  write(`\n${bold(request.label)}\n${dim("you    ")} ${request.prompt}\n${dim("claude ")} `);
  const line = new WrappedLine("claude ".length, screen.columns);
  let claim = "";
  let workerId = "";
  const { profile, prompt, systemPrompt } = request;
  for await (const { event } of client.streamChat(
    { profile, prompt, detail: Detail.TEXT, ...(systemPrompt && { systemPrompt }) },
    { signal },
  )) {
    switch (event.case) {
      case "started":
        claim = claims[event.value.claimSource] ?? "worker";
        workerId = event.value.workerId;
        break;
      case "textDelta":
        write(line.take(event.value.text));
        break;
      case "result": {
        const result = event.value;
        const stages = result.stages;
        if (stages === undefined) throw new Error("the result has no stage timings");
        const firstTextMs =
          stages.arrivalToFirstText === undefined ? Number.NaN : milliseconds(stages.arrivalToFirstText);
        const fate = result.workerFate === WorkerFate.RESET ? "reset, and ready for the next turn" : "ended";
        write(
          `\n\n${timeline(stages).join("\n")}\n${dim(`${claim} ${workerId} · ${result.usage?.outputTokenCount ?? 0n} tokens · worker then ${fate}`)}\n`,
        );
        return { label: request.label, claim, workerId, stages, result, firstTextMs };
      }
    }
  }
  throw new Error("the turn ended without a result");
}

/** Breaks text that streams in at its spaces, so that no word is cut by the edge of the terminal. */
class WrappedLine {
  #column: number;
  readonly #columns: number;

  constructor(column: number, columns: number) {
    this.#column = column;
    this.#columns = columns;
  }

  take(text: string): string {
    return text.replace(/(\n)|( ?)([^ \n]+)|( )/g, (all: string, lineEnd?: string, _space?: string, word?: string) => {
      if (lineEnd !== undefined) {
        this.#column = 0;
        return all;
      }
      if (word !== undefined && all.startsWith(" ") && this.#column + all.length >= this.#columns) {
        this.#column = word.length;
        return `\n${word}`;
      }
      this.#column += all.length;
      return all;
    });
  }
}

/** Cold against warm, on one scale: the time from the call to its first text. */
export function comparison(turns: readonly DemoTurn[], columns = 48): string[] {
  const longestMs = Math.max(...turns.map(({ firstTextMs }) => firstTextMs));
  const width = Math.max(...turns.map(({ label }) => label.length));
  return turns.map(({ label, firstTextMs }) => {
    const drawn = bar(0, firstTextMs, longestMs, columns).padEnd(columns);
    return `${label.padEnd(width)} │${drawn}│ ${formatMs(firstTextMs).padStart(8)}`;
  });
}

/** How many times faster the median of some turns is than another turn. */
export function timesFaster(slow: DemoTurn, fast: readonly DemoTurn[]): number {
  const sorted = fast.map(({ firstTextMs }) => firstTextMs).sort((a, b) => a - b);
  return slow.firstTextMs / sorted[Math.floor(sorted.length / 2)]!;
}
