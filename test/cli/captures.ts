/** Reads the golden captures of the real CLI (test/fixtures/streams). */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { MappedTurn } from "../../src/cli/mapping/mapped-turn.ts";
import { TurnMeter } from "../../src/cli/mapping/meter.ts";
import { mapEnd, mapMessage } from "../../src/cli/mapping/turn-mapper.ts";
import { parseLine } from "../../src/cli/protocol/cli-messages.ts";
import { HostPaths } from "../../src/cli/protocol/host-paths.ts";
import { flagAt, isObject, type JsonObject } from "../../src/cli/protocol/json-members.ts";
import { Charges } from "../../src/cli/turn/charges.ts";
import { turnEnd } from "../../src/cli/turn/end-of-turn.ts";
import type { Detail } from "../../src/turn.ts";
import type { TurnEnd } from "../../src/turn-end.ts";
import type { TurnEvent } from "../../src/turn-event.ts";

const folder = fileURLToPath(new URL("../fixtures/streams/", import.meta.url));

export const captureNames: readonly string[] = readdirSync(folder)
  .filter((name) => name.endsWith(".jsonl"))
  .map((name) => name.slice(0, -".jsonl".length));

/** The folders that stand in the captures. */
export const capturedPaths = { home: "/home/user", tmp: "/scratch", cwd: "/workdir" };

/** What the process wrote, as lines. */
export function linesOf(name: string): readonly string[] {
  return entriesOf(name)
    .filter(({ dir }) => dir === "out")
    .map(({ msg }) => JSON.stringify(msg));
}

/** What was written to the process and by it, in order. */
export function entriesOf(name: string): readonly { readonly dir: string; readonly msg: JsonObject }[] {
  return readFileSync(`${folder}${name}.jsonl`, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { dir: string; msg: JsonObject });
}

export interface CapturedTurn {
  readonly lines: readonly string[];
  readonly events: readonly TurnEvent[];
  readonly mapped: MappedTurn;
  readonly end: TurnEnd;
}

/** The turns of a capture, each up to and with its result, mapped and judged. */
export function turnsOf(name: string, detail: Detail = "standard"): readonly CapturedTurn[] {
  const ledger = new Charges();
  const turns: CapturedTurn[] = [];
  let [lines, events, mapped] = [[] as string[], [] as TurnEvent[], newTurn(detail)];
  for (const line of linesOf(name)) {
    const message = parseLine(line)!;
    lines.push(line);
    if (message.kind === "conversationReset") ledger.conversationReset();
    mapMessage(mapped, message, events);
    if (message.kind !== "result") continue;
    mapEnd(mapped, events);
    const { body } = message;
    const end = turnEnd({
      mapped,
      result: body,
      charge: ledger.book(body),
      cause: undefined,
      death: undefined,
      wantsStructuredOutput: name.startsWith("structured-output"),
      wallNowMs: 0,
      isUsable: mapped.notes.taint === undefined,
    });
    turns.push({ lines, events, mapped, end });
    [lines, events, mapped] = [[], [], newTurn(detail)];
  }
  return turns;
}

export function newTurn(detail: Detail = "standard"): MappedTurn {
  const paths = new HostPaths(capturedPaths);
  return new MappedTurn({ detail, paths, meter: new TurnMeter({}), onUnknown: () => undefined });
}

/** Whether the CLI itself, and not the model, wrote what an event says. */
export function isFilledByCli(event: TurnEvent): boolean {
  switch (event.kind) {
    case "textDelta":
    case "thinkingDelta":
    case "toolInputDelta":
    case "toolUse":
      return false;
    case "assistantBlock":
      return event.synthetic;
    default:
      return true;
  }
}

export function isErrorResult(line: string): boolean {
  const body: unknown = JSON.parse(line);
  return isObject(body) && body.type === "result" && flagAt(body, "is_error");
}
