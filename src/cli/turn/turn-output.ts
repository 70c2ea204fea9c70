/**
 * From the lines of a turn to its reader: mapped, gathered, and passed on in the order that the reader is promised.
 *
 * Leaves out when a turn ends, and what its reader may still see: `turn-run.ts` says so with each line.
 */
import type { TurnEnd } from "../../turn-end.ts";
import type { TurnEvent } from "../../turn-event.ts";
import type { MappedTurn } from "../mapping/mapped-turn.ts";
import { mapEnd, mapMessage } from "../mapping/turn-mapper.ts";
import type { CliMessage } from "../protocol/cli-messages.ts";
import { EventBatch } from "./event-batch.ts";
import { EventPipe } from "./event-pipe.ts";
import type { EarlierLine } from "./turn-host.ts";

const isOfAnswer = ({ kind }: TurnEvent) => kind === "textDelta" || kind === "retracted";

export class TurnOutput {
  readonly #mapped: MappedTurn;
  /** Whether each line is shown as it came, at full detail. */
  readonly #isFull: boolean;
  readonly #batch = new EventBatch();
  readonly #pipe: EventPipe;

  /** `earlier` are lines that belong to the turn already; `onRead` is called with what is unread after each event. */
  constructor(mapped: MappedTurn, earlier: readonly EarlierLine[], onRead: (unreadCount: number) => void) {
    this.#mapped = mapped;
    this.#isFull = mapped.detail === "full";
    this.#pipe = new EventPipe(() => onRead(this.#pipe.unreadCount));
    if (!this.#isFull) return;
    for (const { message, line } of earlier) this.#batch.next.push(this.#carrier(message, line));
  }

  get events(): AsyncIterable<TurnEvent> {
    return this.#pipe;
  }

  get hasInit(): boolean {
    return this.#batch.hasInit;
  }

  get unreadCount(): number {
    return this.#pipe.unreadCount;
  }

  takeReady(): TurnEvent | undefined {
    return this.#pipe.takeReady();
  }

  /** Takes a line. One that is not shown is looked at all the same, for what is counted and noted. */
  take(message: CliMessage, line: string, isShown: boolean): void {
    if (!isShown) {
      mapMessage(this.#mapped, message, []);
      return;
    }
    if (this.#mapped.meter.hasTooManyEvents) {
      const events: TurnEvent[] = [];
      mapMessage(this.#mapped, message, events);
      // What is taken back has to be told; of the rest there was too much.
      this.#batch.ready.push(...events.filter(({ kind }) => kind === "retracted"));
      return;
    }
    const isInit = message.kind === "init" && !this.#batch.hasInit;
    const target = isInit ? this.#batch.ready : this.#batch.next;
    const from = target.length;
    // A further `init` in the turn says nothing new.
    if (message.kind !== "init" || isInit) mapMessage(this.#mapped, message, target);
    if (this.#isFull) {
      if (target.length > from) target[from] = { ...target[from]!, raw: this.#mapped.rawLine(message, line) };
      else target.push(this.#carrier(message, line));
    }
    if (isInit) this.#batch.begin();
  }

  /** Something that no line says. */
  say(event: TurnEvent): void {
    this.#pipe.push([event]);
  }

  /** Passes on what has been gathered. */
  pass(): void {
    if (!this.#batch.isEmpty) this.#pipe.push(this.#batch.take());
  }

  /** The reader wants nothing more but the end. */
  drop(): void {
    this.#batch.drop();
    this.#pipe.drop();
  }

  /** From here on the reader gets only what the answer is made of, and the end. */
  dropAllButAnswer(): void {
    this.#pipe.drop(isOfAnswer);
  }

  /** What is held back is shown after all: nothing more comes to it. */
  showRest(): void {
    mapEnd(this.#mapped, this.#batch.ready);
  }

  /** Ends with the turn's end, and the line of its result where there is one. */
  end(end: TurnEnd, result: EarlierLine | undefined): void {
    this.pass();
    this.#batch.drop(); // Without `init` there was no turn for its reader.
    const raw = this.#isFull && result !== undefined ? this.#mapped.rawLine(result.message, result.line) : undefined;
    this.#pipe.end({ kind: "ended", end, ...(raw !== undefined && { raw }) });
  }

  /** A line that is kept for its own sake, at full detail. */
  #carrier(message: CliMessage, line: string): TurnEvent {
    return { kind: "unknown", name: message.name, internal: true, raw: this.#mapped.rawLine(message, line) };
  }
}
