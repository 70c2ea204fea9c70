/**
 * Everything that is known about a turn that is over, put together: the verdict, the charge, the answer.
 */
import { type Json, jsonText } from "../../json-value.ts";
import type { CutModelCall, EndCause, TurnEnd } from "../../turn-end.ts";
import type { Usage } from "../../usage.ts";
import type { MappedTurn } from "../mapping/mapped-turn.ts";
import { countAt, type JsonObject, objectAt, objectsAt, textAt } from "../protocol/json-members.ts";
import type { Charge } from "./charges.ts";
import { judge } from "./judge.ts";

export interface EndedTurn {
  readonly mapped: MappedTurn;
  readonly result: JsonObject | undefined;
  /** What the result was charged for; `undefined` without a result. */
  readonly charge: Charge | undefined;
  readonly cause: EndCause | undefined;
  readonly death: string | undefined;
  readonly wantsStructuredOutput: boolean;
  /** Whether the turn is a session's. Absent: no. */
  readonly isInSession?: boolean | undefined;
  readonly wallNowMs: number;
  /** Whether the process is as it should be after a turn. */
  readonly isUsable: boolean;
  readonly promptNumber?: number | undefined;
  readonly cutModelCall?: CutModelCall | undefined;
  /** How long nothing had come when it was ended for that, in milliseconds. */
  readonly silentMs?: number | undefined;
}

export function turnEnd(ended: EndedTurn): TurnEnd {
  const { mapped, result, charge, cause, death } = ended;
  const { notes } = mapped;
  const verdict = judge({
    result,
    cause,
    death,
    silentMs: ended.silentMs,
    failure: notes.failure,
    blockedByHook: notes.blockedByHook,
    wantsStructuredOutput: ended.wantsStructuredOutput,
    isInSession: ended.isInSession,
    contentStreamed: notes.contentStreamed,
    lastStopReason: mapped.messages.current?.stopReason ?? "",
    retryCount: notes.retryCount,
    cliVersion: notes.cliVersion,
    model: notes.model,
    wallNowMs: ended.wallNowMs,
  });
  const structuredOutput: Json | undefined = result?.structured_output;
  const structuredOutputJson =
    structuredOutput === undefined ? "" : exactText(structuredOutput, notes.structuredInputJson);
  return {
    ...verdict,
    text: structuredOutput === undefined ? mapped.answer.text : structuredOutputJson,
    answerBlocks: mapped.held.texts,
    answerBeside: mapped.held.beside,
    structuredOutput,
    structuredOutputJson,
    usage: charge === undefined ? mapped.meter.provisionalUsage : charge.usage,
    modelUsage: charge?.modelUsage ?? [],
    costUsdMicros: charge?.costUsdMicros ?? 0,
    // What was cut off before the CLI could account for it is a guess, and so is the price of an unknown model.
    costIsEstimate: isEstimate(result, charge, mapped),
    modelCallCount: mapped.meter.modelCallCount,
    contextTokens: mapped.meter.contextTokens,
    contextWindowTokens: windowOf(result, notes.model),
    stopReason: (result && textAt(result, "stop_reason")) || (mapped.messages.current?.stopReason ?? ""),
    terminalReason: result === undefined ? "" : textAt(result, "terminal_reason"),
    cliSubtype: result === undefined ? "" : textAt(result, "subtype"),
    permissionDenials: (result === undefined ? [] : objectsAt(result, "permission_denials")).map((denial) => ({
      toolName: textAt(denial, "tool_name"),
      toolUseId: textAt(denial, "tool_use_id"),
    })),
    refusalCategory: notes.refusalCategory,
    refusalExplanation: notes.refusalExplanation,
    apiMs: charge?.apiMs,
    // Its key may have been replaced; a fresh process starts with what is right now.
    workerReusable: ended.isUsable && verdict.error?.reason !== "UPSTREAM_AUTH",
    promptNumber: ended.promptNumber,
    cutModelCall: ended.cutModelCall,
  };
}

/** The text that the model wrote, if it is of this value: the CLI's own is what it became as numbers and keys of a program. */
function exactText(value: Json, written: string): string {
  const text = jsonText(value);
  try {
    return written !== "" && jsonText(JSON.parse(written) as Json) === text ? written : text;
  } catch {
    return text; // Not JSON: the value is of another try.
  }
}

/** The context window of the model that answered last. In the CLI's account its name may have `[1m]` behind it. */
function windowOf(result: JsonObject | undefined, model: string): number {
  const models = result === undefined ? {} : objectAt(result, "modelUsage");
  const names = Object.keys(models);
  const only = names.length === 1 ? names[0] : undefined;
  const name = names.find((name) => name === model) ?? names.find((name) => name.startsWith(`${model}[`)) ?? only;
  return name === undefined ? 0 : countAt(objectAt(models, name), "contextWindow");
}

/** A guess: the price of an unknown model, and what was cut off before the CLI could account for it. */
function isEstimate(result: JsonObject | undefined, charge: Charge | undefined, mapped: MappedTurn): boolean {
  if (result === undefined || charge === undefined) return hasUsage(mapped.meter.provisionalUsage);
  return charge.costIsEstimate || textAt(result, "terminal_reason") === "aborted_streaming";
}

function hasUsage(usage: Usage): boolean {
  return Object.values(usage).some((count) => count > 0);
}

/** Whether a result is a turn's own: it names the prompt, or names nobody and is not one that the CLI began itself. */
export function isResultOf(result: JsonObject, turnId: string): boolean {
  const uuids = result.user_message_uuids;
  if (Array.isArray(uuids)) return uuids.includes(turnId);
  return result.origin === undefined || result.origin === null;
}
