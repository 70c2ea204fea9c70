/**
 * What the parts of the suite share: the server's settings, a client of one kind, and turns that are looked at.
 */
import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { Outcome } from "../../../gen/claude/runner/v1/result_pb.ts";
import type { LogLine } from "../../e2e/log-book.ts";
import type { Scene, SettingsInput } from "../../e2e/scene.ts";
import type { ContractCallOptions, ContractClient, TransportKind } from "../transports.ts";
import { readTurn, type SeenTurn } from "../turn.ts";

/** The server that the suite needs; `workspace` is an empty folder. */
export function contractSettings(workspace: string): SettingsInput {
  return {
    auth: { maxTurnsInFlightPerTenant: turnsInFlight },
    calls: { heartbeatMs: 200 },
    profiles: {
      default: { description: "What most turns run under.", allowedModels: [otherModel], maxWorkers: 8 },
      fixed: { systemPromptPolicy: "fixed", minSpares: 0 },
      tools: {
        tools: ["Bash", "Read"],
        workspace: { path: workspace },
        isolation: "none",
        tenant: "acme",
        reuse: true,
        maxLimits: { maxModelCallCount: 20 },
        defaultLimits: { maxModelCallCount: 10 },
      },
      secret: { description: "Another tenant's.", tenant: "umbrella", minSpares: 0 },
    },
  };
}

export const otherModel = "claude-haiku-4-5";
export const turnsInFlight = 3;
export const answerSchema = JSON.stringify({
  type: "object",
  properties: { answer: { type: "string" } },
  required: ["answer"],
});

export type StreamRequest = Parameters<ContractClient["streamChat"]>[0];

export class ContractCalls {
  readonly kind: TransportKind;
  readonly #theScene: () => Scene;
  #client: ContractClient | undefined;

  constructor(kind: TransportKind, theScene: () => Scene) {
    this.kind = kind;
    this.#theScene = theScene;
  }

  get scene(): Scene {
    return this.#theScene();
  }

  /** A client of tenant `acme`. */
  get client(): ContractClient {
    this.#client ??= this.kind.connect(this.scene.target);
    return this.#client;
  }

  close(): void {
    this.#client?.close();
  }

  /** Runs a turn to its end, whatever that is. */
  readonly run = (request: StreamRequest, options?: ContractCallOptions): Promise<SeenTurn> =>
    readTurn(this.client.streamChat(request, options));

  /** Runs a call and gives the line with which its turn was booked, whatever came of it. */
  readonly booked = async (call: (labels: Record<string, string>) => Promise<unknown>): Promise<LogLine> => {
    const label = randomUUID();
    const line = this.scene.book.wait((line) => isOfLabel(line, label));
    await call({ job: label });
    return line;
  };

  /** Nothing of an earlier turn reaches the model with this one. */
  readonly expectCleanTurn = async (): Promise<void> => {
    const prompt = `a fresh start ${randomUUID()} [[scenario conversation]]`;
    const turn = await this.run({ prompt });
    expect(turn.result.outcome).toBe(Outcome.COMPLETED);
    const block = expect.objectContaining({ type: "text", text: prompt });
    expect(JSON.parse(turn.text)).toEqual([{ role: "user", content: [block] }]);
  };
}

/** Whether a turn with this label was booked with the line. */
export function isOfLabel(line: LogLine, label: string): boolean {
  return (
    (line.message === "turn ended" || line.message === "turn refused") &&
    (line.labels as { job?: string })?.job === label
  );
}
