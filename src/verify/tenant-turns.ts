/**
 * What the two tenants ask and what the model answers them: every text of it holds a canary of its turn.
 *
 * The answers echo every canary that the model was sent, so that what crosses on the way in comes out again.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Outcome } from "../../gen/claude/runner/v1/result_pb.ts";
import { Detail, Effort, Role, type StreamChatRequestSchema } from "../../gen/claude/runner/v1/runner_pb.ts";
import type { ScenarioReference } from "../standin/choose.ts";
import type { Canaries } from "./canaries.ts";
import { outputSchema } from "./lanes.ts";

export interface TenantTurn {
  /** Names the turn as the owner of its canaries, such as `first/3 history`. */
  readonly owner: string;
  /** By what a request to the model API is known as this turn's. */
  readonly promptCanary: string;
  readonly request: MessageInitShape<typeof StreamChatRequestSchema>;
  /** `heard`: the canaries that were in the request. */
  readonly answer: (heard: string) => ScenarioReference;
  /** The caller goes when the first text is there. */
  readonly leavesAtFirstText: boolean;
  /** What has to come of it, or the checks say nothing. A caller who goes hears of no result. */
  readonly outcome: Outcome;
}

type Part = Partial<Pick<TenantTurn, "answer" | "leavesAtFirstText" | "outcome">> & {
  readonly request?: TenantTurn["request"];
};

/** The turns of one tenant, in order. */
export function tenantTurns(tenant: string, canaries: Canaries): readonly TenantTurn[] {
  // In every turn of this tenant, since a worker is used again only for the same system prompt.
  const usual = `Keep secrets: ${canaries.plant(`${tenant}/all`, "system prompt")}.`;
  const turns: TenantTurn[] = [];
  const add = (name: string, part: (plant: (what: string) => string) => Part = () => ({})): void => {
    const owner = `${tenant}/${turns.length + 1} ${name}`;
    const plant = (what: string) => canaries.plant(owner, what);
    const promptCanary = plant("prompt");
    const answerCanary = plant("answer");
    const { request, ...rest } = part(plant);
    turns.push({
      owner,
      promptCanary,
      answer: (heard) => ({ name: "text", options: { text: `I say ${answerCanary} and heard ${heard}.` } }),
      leavesAtFirstText: false,
      outcome: Outcome.COMPLETED,
      ...rest,
      request: {
        prompt: `Tell me about ${promptCanary}.`,
        systemPrompt: usual,
        detail: Detail.FULL,
        labels: { job: plant("label") },
        ...request,
      },
    });
  };

  add("plain");
  add("history", (plant) => ({
    request: {
      history: [1, 2].flatMap(() => [
        { role: Role.USER, text: `I asked ${plant("history")}` },
        { role: Role.ASSISTANT, text: `I answered ${plant("history")}` },
      ]),
    },
  }));
  add("thinking", (plant) => ({
    answer: (heard) => ({ name: "thinking", options: { thinking: `${plant("thinking")} of ${heard}`, text: heard } }),
  }));
  add("failure that repeats the prompt", (plant) => ({
    answer: (heard) => ({
      name: "error",
      options: { status: 400, message: `not with ${heard}: ${plant("error")}` },
    }),
    outcome: Outcome.UPSTREAM_ERROR,
  }));
  add("refusal", (plant) => ({
    answer: (heard) => ({ name: "refusal", options: { text: heard, explanation: `because of ${plant("refusal")}` } }),
    outcome: Outcome.REFUSED,
  }));
  add("cancelled", () => ({
    answer: (heard) => ({ name: "slow-text", options: { text: `${heard} `.repeat(50) } }),
    leavesAtFirstText: true,
    outcome: Outcome.UNSPECIFIED,
  }));
  add("at a limit, with another effort", () => ({
    request: { effort: Effort.LOW, limits: { maxOutputBytes: 100n } },
    answer: (heard) => ({ name: "slow-text", options: { text: `${heard} `.repeat(50), betweenDeltasMs: 1 } }),
    outcome: Outcome.OUTPUT_LIMIT,
  }));
  add("structured output, another system prompt", (plant) => ({
    request: { systemPrompt: `Be ${plant("system prompt")}.`, outputSchemaJson: JSON.stringify(outputSchema) },
    answer: (heard) => ({ name: "structured", options: { value: { answer: `${plant("answer")} ${heard}` } } }),
  }));
  add("plain, at the end");
  return turns;
}
