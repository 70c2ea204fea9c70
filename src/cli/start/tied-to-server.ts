/**
 * Ties the workers to the server: when it is killed, the kernel kills them with it.
 *
 * Without that a worker finishes its turn on its own, and a conversation that goes on elsewhere would have two writers until
 * the next start sweeps what was left. `setpriv` of util-linux, where it is, sets PR_SET_PDEATHSIG and becomes the program: the
 * process is the same, with the same number. The signal comes when the *thread* that started the process ends; processes
 * are started on the main thread, which ends with the server. What a worker's tools started is not tied.
 */
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import type { Clock } from "../../clock.ts";
import type { Command, OpenResource, WorkerResource } from "../../worker-resource.ts";
import { runToEnd } from "../process/child-process.ts";

const places = ["/usr/bin/setpriv", "/bin/setpriv"] as const;
const killed = ["--pdeathsig", "KILL", "--"] as const;
const tryTimeoutMs = 5_000;

/** `undefined` where there is no such program, or one that cannot do it, such as busybox's. Looked for once. */
export async function tiedToServer(clock: Clock): Promise<WorkerResource | undefined> {
  if (process.platform !== "linux") return undefined;
  for (const path of places) if (await canTie(path, clock)) return new TiedToServer(path);
  return undefined;
}

class TiedToServer implements WorkerResource {
  readonly name = "tie to the server";
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async open(): Promise<OpenResource> {
    return {
      variables: {},
      wrap: ({ path, args, cwd }: Command) => ({ path: this.#path, args: [...killed, path, ...args], cwd }),
      close() {},
    };
  }
}

/** Has it run itself, tied. */
async function canTie(path: string, clock: Clock): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    const args = [...killed, path, "--version"];
    const { exit } = await runToEnd({ path, args, env: {}, cwd: "/", clock, timeoutMs: tryTimeoutMs });
    return exit.code === 0;
  } catch {
    return false; // Not there, or it does not start: the sweep of the next start has to do.
  }
}
