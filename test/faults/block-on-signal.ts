/**
 * Loaded into a server (`node --import`) for a test: at SIGUSR2 its event loop stands still until a file is there, whose
 * path is in FAULT_BLOCKS_UNTIL. Another file, of the same path with `.blocked`, says that it does.
 */
import { existsSync, writeFileSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

const path = process.env.FAULT_BLOCKS_UNTIL;
if (isMainThread && path !== undefined) {
  process.on("SIGUSR2", () => {
    writeFileSync(`${path}.blocked`, "");
    const nobody = new Int32Array(new SharedArrayBuffer(4));
    while (!existsSync(path)) Atomics.wait(nobody, 0, 0, 5);
  });
}
