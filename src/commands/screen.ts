/**
 * A screen of its own for something that is drawn again and again: the terminal's other screen, which gives back what
 * stood there before when it is left.
 *
 * A frame is written in one go and over the one before, line by line, so that nothing flickers.
 */
import type { Terminal } from "./terminal.ts";
import { columnsOf } from "./terminal.ts";

const enterScreen = "\x1b[?1049h\x1b[?25l"; // the other screen, without a cursor
const leaveScreen = "\x1b[?25h\x1b[?1049l";
/** Terminals that know it show what is between the two at once; others ignore it. */
const beginFrame = "\x1b[?2026h\x1b[H";
const endFrame = "\x1b[J\x1b[?2026l";
const clearRest = "\x1b[K";

export interface Room {
  readonly columns: number;
  readonly rows: number;
}

export class Screen implements Disposable {
  readonly #stdout: Terminal["stdout"];
  readonly #draw: (room: Room) => readonly string[];
  readonly #redraw = () => this.draw();
  #isOpen = true;

  /** Enters it, and draws whenever its size changes. */
  constructor({ stdout }: Pick<Terminal, "stdout">, draw: (room: Room) => readonly string[]) {
    this.#stdout = stdout;
    this.#draw = draw;
    stdout.write(enterScreen);
    stdout.on("resize", this.#redraw);
    this.draw();
  }

  draw(): void {
    // A terminal that is behind misses frames, not the newest one for long.
    if (!this.#isOpen || this.#stdout.writableNeedDrain) return;
    // One column stays free: behind a line that fills all of them terminals differ about where the cursor is.
    const room = { columns: Math.max(1, columnsOf({ stdout: this.#stdout }, 80) - 1), rows: rowsOf(this.#stdout) };
    const lines = this.#draw(room).slice(0, room.rows);
    this.#stdout.write(beginFrame + lines.map((line) => line + clearRest).join("\r\n") + endFrame);
  }

  /** Leaves it, once; the terminal is as it was. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#stdout.off("resize", this.#redraw);
    this.#stdout.write(leaveScreen);
  }
}

function rowsOf(stdout: Terminal["stdout"]): number {
  return (stdout as { readonly rows?: number }).rows ?? 24;
}
