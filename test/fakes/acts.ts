/**
 * Does what a script asks for at a point of the process's life. Leaves out the points themselves; the session and the
 * turn say when they are there.
 */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import type { Output } from "./output.ts";
import type { Act, Point } from "./script.ts";
import { usualPoint } from "./script.ts";
import * as shapes from "./shapes.ts";

/** What acts may change in the process. */
export interface Stage {
  readonly output: Output;
  readonly sessionId: string;
  /** Notes something for the test, where a record is kept. */
  record(entry: object): void;
  stopReading(): void;
  compactConversation(): void;
  ignoreInterrupts(count: number): void;
  ignoreTerm(): void;
  ignoreEof(): void;
}

/** What acts in a turn may do beyond. */
export interface TurnStage {
  /** Rejects when the turn is interrupted. */
  pause(ms: number): Promise<void>;
  /** Rejects when the turn is interrupted. */
  ask(request: object, withdrawAfterMs: number | undefined): Promise<void>;
  sayResultAgain(): void;
  leaveStaleEvents(): void;
}

/** Never comes, and keeps the process alive. */
function forever(): Promise<never> {
  return new Promise(() => setInterval(() => undefined, 3_600_000));
}

/** What is asked by default. */
const permissionRequest = {
  subtype: "can_use_tool",
  tool_name: "Bash",
  display_name: "Bash",
  input: { command: "ls" },
  tool_use_id: "toolu_fake",
};

/** Memory that is held for good. */
const held: Buffer[] = [];

export class Acts {
  readonly #stage: Stage;
  readonly #done = new Map<Act, number>();

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  async perform(point: Point, acts: readonly Act[], turn?: TurnStage): Promise<void> {
    for (const act of acts) {
      if ((act.at ?? usualPoint[act.do]) !== point) continue;
      const done = this.#done.get(act) ?? 0;
      if (act.times !== undefined && done >= act.times) continue;
      this.#done.set(act, done + 1);
      await this.#do(act, turn);
    }
  }

  async #do(act: Act, turn: TurnStage | undefined): Promise<void> {
    const { output } = this.#stage;
    switch (act.do) {
      case "wait":
        return turn === undefined ? new Promise((resolve) => setTimeout(resolve, act.ms)) : turn.pause(act.ms);
      case "hang":
        return turn === undefined ? forever() : turn.pause(2_147_483_647);
      case "exit":
        if (act.stderr !== undefined) process.stderr.write(`${act.stderr}\n`);
        return this.#exit(act.code ?? 1);
      case "kill":
        output.close();
        await output.flushed();
        process.kill(process.pid, act.signal ?? "SIGKILL");
        return forever();
      case "garbage":
        for (let line = 0; line < (act.lines ?? 1); line++) output.write(`${act.text ?? "Warning: this is no JSON"}\n`);
        return;
      case "halfLine": {
        const line = JSON.stringify(shapes.sessionState(this.#stage.sessionId, "running"));
        output.write(line.slice(0, line.length / 2));
        return this.#exit(0);
      }
      case "longLine":
        return this.#writeLongLine(act.bytes, act.ends ?? false);
      case "stderr":
        return writeStderr(act.bytes);
      case "unknown":
        this.#sayUnknown();
        return;
      case "compact":
        this.#compact();
        return;
      case "background":
        output.say(shapes.backgroundTasks(this.#stage.sessionId, act.tasks ?? 1));
        return;
      case "stopReading":
        this.#stage.stopReading();
        return;
      case "secondResult":
        turn?.sayResultAgain();
        return;
      case "grandchild":
        this.#stage.record({ grandchild: startGrandchild(act.ignoreTerm ?? true) });
        return;
      case "grow":
        // Filled with something, so that it is really there.
        held.push(Buffer.alloc(act.bytes, 1));
        return;
      case "burnCpu":
        burnCpu();
        return;
      case "ignoreInterrupts":
        this.#stage.ignoreInterrupts(act.count ?? Number.POSITIVE_INFINITY);
        return;
      case "ignoreTerm":
        this.#stage.ignoreTerm();
        return;
      case "ignoreEof":
        this.#stage.ignoreEof();
        return;
      case "staleEvents":
        turn?.leaveStaleEvents();
        return;
      case "chunk":
        output.usePieces(act.bytes);
        return;
      case "crlf":
        output.useCrlf();
        return;
      case "ask":
        return turn?.ask(act.request ?? permissionRequest, act.withdrawAfterMs);
      case "say":
        output.say({ ...act.message, session_id: this.#stage.sessionId, uuid: randomUUID() });
        return;
      default:
        return act satisfies never;
    }
  }

  async #exit(code: number): Promise<never> {
    this.#stage.output.close();
    await this.#stage.output.flushed();
    process.exit(code);
  }

  async #writeLongLine(bytes: number, ends: boolean): Promise<void> {
    const { output } = this.#stage;
    const piece = "x".repeat(1024 * 1024);
    output.write('{"type":"system","subtype":"notification","text":"');
    for (let left = bytes; left > 0; left -= piece.length) {
      await output.writeBulk(left >= piece.length ? piece : piece.slice(0, left));
    }
    if (ends) output.write(`","uuid":"${randomUUID()}","session_id":"${this.#stage.sessionId}"}\n`);
  }

  #sayUnknown(): void {
    const { output, sessionId } = this.#stage;
    const envelope = { uuid: randomUUID(), session_id: sessionId };
    output.say({ type: "weather_report", sky: "blue", ...envelope });
    output.say({ type: "system", subtype: "tea_time", cups: 2, ...envelope });
    output.say({ type: "stream_event", event: { type: "sparkle", level: 7 }, parent_tool_use_id: null, ...envelope });
  }

  #compact(): void {
    const { output, sessionId } = this.#stage;
    const context = { sessionId, model: "", userUuids: [] };
    output.say(shapes.status(context, "compacting", { compact_output_chars: 0 }));
    output.say(shapes.status(context, null, { compact_result: "success" }));
    output.say(shapes.compactBoundary(sessionId));
    this.#stage.compactConversation();
  }
}

async function writeStderr(bytes: number): Promise<void> {
  const line = `${"the upstream said something long ".repeat(30)}\n`;
  const piece = line.repeat(64);
  for (let left = bytes; left > 0; left -= piece.length) {
    const text = left >= piece.length ? piece : piece.slice(0, left);
    await new Promise<void>((resolve) => process.stderr.write(text, () => resolve()));
  }
}

/** Returns its pid. It inherits stdout and stderr, and stays when this process ends. */
function startGrandchild(ignoreTerm: boolean): number | undefined {
  const script = ignoreTerm ? "trap '' TERM INT HUP; while :; do sleep 1; done" : "while :; do sleep 1; done";
  const child = spawn("/bin/sh", ["-c", script], { stdio: ["ignore", "inherit", "inherit"] });
  child.unref();
  return child.pid;
}

/** Nearly a whole core, in slices that leave room for requests. */
function burnCpu(): void {
  const burn = () => {
    const until = performance.now() + 20;
    while (performance.now() < until);
    setImmediate(burn);
  };
  setImmediate(burn);
}
