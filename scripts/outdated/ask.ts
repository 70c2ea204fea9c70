/** Runs a registry's ordinary client. Leaves out what its answer means. */
import { execFile } from "node:child_process";

export interface Asked {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

const timeoutMs = 180_000;

/** Why a registry could not be asked, in words for a person. */
export class Unreachable extends Error {}

export function ask(command: string, args: readonly string[], { cwd, env }: Asked): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { cwd, env: { ...process.env, ...env }, timeout: timeoutMs, maxBuffer: 256 * 1024 * 1024 };
    execFile(command, args, options, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const words = `${stderr}\n${stdout}`.split("\n").find((line) => line.trim() !== "") ?? error.message;
      const why = error.code === "ENOENT" ? "is not installed" : words.trim();
      reject(new Unreachable(`${command} ${args[0]}: ${why}`));
    });
  });
}

/** As many at once as a small machine and a registry bear. */
export async function inTurns<In, Out>(items: readonly In[], work: (item: In) => Promise<Out>): Promise<Out[]> {
  const results: Out[] = [];
  const waiting = [...items.entries()];
  const lane = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) results[next[0]] = await work(next[1]);
  };
  await Promise.all([1, 2, 3, 4].map(lane));
  return results;
}
