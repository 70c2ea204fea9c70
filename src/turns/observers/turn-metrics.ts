/**
 * What is counted of one turn: its workers, its stages, the time to its first text, its outcome, tokens and cost.
 *
 * What it came to and cost is booked when the worker is done, so that a caller who does not read postpones nothing.
 */
import type { Attributes } from "@opentelemetry/api";
import { conversationSource } from "../../conversations/conversation-source.ts";
import type { Claim } from "../../pool/claim.ts";
import type { RunnerReason } from "../../runner-error.ts";
import { genAiAttributes } from "../../telemetry/gen-ai.ts";
import { attributeNames, instruments, type tokenTypes } from "../../telemetry/instruments.ts";
import { type Label, label } from "../../telemetry/label.ts";
import type { Turn } from "../../turn.ts";
import type { Outcome, TurnEnd } from "../../turn-end.ts";
import type { ClosedTurn, TurnObserver } from "../observer.ts";
import type { Measured, MilestoneName, StageName } from "../stages.ts";

export class TurnMetrics implements TurnObserver {
  #turn: Turn;
  readonly #profile: Attributes;

  constructor(turn: Turn) {
    this.#turn = turn;
    this.#profile = { [attributeNames.profile]: turn.profile };
  }

  admitted(turn: Turn): void {
    this.#turn = turn;
  }

  claimed(claim: Claim): void {
    instruments().claims.add(1, {
      ...this.#profile,
      [attributeNames.claimSource]: label(claim.source),
      [attributeNames.conversationSource]: label(conversationSource(this.#turn, claim)),
    });
  }

  stageLeft(stage: Measured<StageName>): void {
    this.#measure(stage);
  }

  milestoneReached(milestone: Measured<MilestoneName>): void {
    this.#measure(milestone);
    if (milestone.name !== "firstText") return;
    instruments().timeToFirstToken.record((milestone.atMs - milestone.sinceMs) / 1_000, {
      ...this.#profile,
      ...genAiAttributes(this.#turn.settings.model),
    });
  }

  takenOver(): void {
    instruments().takeovers.add(1, this.#profile);
  }

  finished(end: TurnEnd): void {
    this.#count(label(end.outcome), end.error?.reason);
    const { tenant, settings } = this.#turn;
    const { usage, costUsdMicros } = end;
    const counts = {
      input: usage.inputTokens,
      output: usage.outputTokens,
      cache_read: usage.cacheReadInputTokens,
      cache_creation: usage.cacheCreationInputTokens,
    } satisfies Record<(typeof tokenTypes)[number], number>;
    const genAi = genAiAttributes(settings.model);
    for (const [kind, count] of Object.entries(counts)) {
      instruments().tokenUsage.record(count, { ...this.#profile, [attributeNames.genAiTokenType]: kind, ...genAi });
    }
    instruments().costUsdMicros.add(costUsdMicros, {
      ...this.#profile,
      [attributeNames.tenant]: tenant,
      [attributeNames.genAiRequestModel]: settings.model,
    });
  }

  closed({ end, reason }: ClosedTurn): void {
    if (end === undefined) this.#count("not_started", reason);
  }

  #measure({ name, sinceMs, atMs }: Measured<StageName | MilestoneName>): void {
    instruments().stageDuration.record((atMs - sinceMs) / 1_000, {
      [attributeNames.stage]: label(name),
      ...this.#profile,
    });
  }

  #count(outcome: Label<Outcome> | "not_started", reason: RunnerReason | undefined): void {
    instruments().turns.add(1, {
      ...this.#profile,
      [attributeNames.outcome]: outcome,
      ...(reason && { [attributeNames.errorReason]: label(reason) }),
    });
  }
}
