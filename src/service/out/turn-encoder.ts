/**
 * A turn's events as the contract has them, from `started` to `result`: what `turns/live-turn.ts` has written down.
 */
import { toBinary } from "@bufbuild/protobuf";
import { type TurnResult, TurnResultSchema } from "../../../gen/claude/runner/v1/result_pb.ts";
import type { Clock } from "../../clock.ts";
import type { WorkerUse } from "../../config/profile-settings.ts";
import type { Claim } from "../../pool/claim.ts";
import type { Turn } from "../../turn.ts";
import type { TurnEnd } from "../../turn-end.ts";
import type { TurnEvent } from "../../turn-event.ts";
import type { TurnLife } from "../../turns/life.ts";
import type { InitEvent, LiveTurn, TurnEncoder } from "../../turns/live-turn.ts";
import { plannedFate } from "../../turns/release.ts";
import { EventEncoder, type WriteEvent } from "./event-encoder.ts";
import { toStarted } from "./proto-events.ts";
import { toResult } from "./result.ts";

/** The result of a turn whose events are those of the contract. */
export type ServedResult = TurnResult;
export type ServedTurn = LiveTurn<ServedResult>;

export function encodeResult(result: ServedResult): Uint8Array {
  return toBinary(TurnResultSchema, result);
}

export interface TurnEncoderOptions {
  readonly clock: Clock;
  /** How the turn's profile uses its workers. */
  readonly workerUse: WorkerUse;
  readonly write: WriteEvent;
}

/** What stands in `started` when the turn was over before the CLI had said anything. */
const unsaid: InitEvent = {
  kind: "init",
  cliVersion: "",
  model: "",
  upstreamSessionId: "",
  permissionMode: "",
  tools: [],
  mcpServers: [],
  capabilities: [],
  apiKeySource: "",
};

export class ServedTurnEncoder implements TurnEncoder<TurnResult> {
  readonly #options: TurnEncoderOptions;
  readonly #events: EventEncoder;

  constructor(turn: Turn, options: TurnEncoderOptions) {
    this.#options = options;
    this.#events = new EventEncoder(turn, { wallNow: () => options.clock.wallNow(), write: options.write });
  }

  get lastSequence(): number {
    return this.#events.lastSequence;
  }

  started(init: InitEvent | undefined, claim: Claim, life: TurnLife): void {
    const at = { nowMs: this.#options.clock.now(), queueWaitMs: life.queueWaitMs };
    this.#events.own(toStarted(init ?? unsaid, life.turn, claim, at), init?.raw);
  }

  event(event: TurnEvent): void {
    this.#events.event(event);
  }

  result(end: TurnEnd, raw: string | undefined, life: TurnLife) {
    let result: TurnResult | undefined;
    const last = this.#events.last((lastSequence) => {
      result = this.#result(end, life, lastSequence);
      return { case: "result", value: result };
    }, raw);
    return { result: result!, ...last };
  }

  silentResult(end: TurnEnd, life: TurnLife): TurnResult {
    return this.#result(end, life, this.lastSequence);
  }

  #result(end: TurnEnd, { times, turn }: TurnLife, lastSequence: number): TurnResult {
    const fate = plannedFate(end, turn, this.#options.workerUse);
    return toResult(end, { times, lastSequence, forOperator: turn.forOperator, fate });
  }
}
