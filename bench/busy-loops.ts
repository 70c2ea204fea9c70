/**
 * Makes the machine busy: processes that do nothing but use the CPU, each in a session of its own as other people's
 * programs are.
 */
import { type ChildProcess, spawn } from "node:child_process";

export class BusyLoops implements Disposable {
  readonly #processes: readonly ChildProcess[];

  constructor(count: number) {
    this.#processes = Array.from({ length: count }, () =>
      // It ends with its parent, whatever happens to that.
      spawn(process.execPath, ["-e", "const parent = process.ppid; while (process.ppid === parent);"], {
        stdio: "ignore",
        detached: true,
      }),
    );
  }

  [Symbol.dispose](): void {
    for (const loop of this.#processes) loop.kill("SIGKILL");
  }
}
