/**
 * A fake of the Claude Code CLI, as far as the driver uses it: speaks stream-json as 2.1.332 does, echoes prompts, and on
 * demand does what the real one cannot be made to do. Meant to be spawned as the CLI's binary (`claude`, or a launcher
 * of `fake-cli.ts`).
 *
 * FAKE_CLAUDE_SCRIPT: path of a JSON file with a FakeScript. FAKE_CLAUDE_RECORD: path of a file to which a line of JSON
 * is added for the start and for each line that was read.
 */
import { appendFileSync, closeSync, openSync, readFileSync } from "node:fs";
import { readArguments } from "./arguments.ts";
import { readLines } from "./input.ts";
import { Output } from "./output.ts";
import { checkAct, type FakeScript, type ProcessScript } from "./script.ts";
import { Session } from "./session.ts";

const scriptPath = process.env.FAKE_CLAUDE_SCRIPT;
const recordPath = process.env.FAKE_CLAUDE_RECORD;
const args = process.argv.slice(2);

const fake = scriptPath === undefined ? {} : (JSON.parse(readFileSync(scriptPath, "utf8")) as FakeScript);
const defaultVersion = "2.1.332 (Claude Code)";

if (readArguments(args, "").asksVersion) {
  process.stdout.write(`${fake.version ?? defaultVersion}\n`);
} else {
  await main();
}

async function main(): Promise<void> {
  const ordinal = fake.processes === undefined ? 0 : takeOrdinal(`${scriptPath}.started`);
  const script: ProcessScript = fake.processes?.[ordinal] ?? fake;
  for (const act of [...(script.acts ?? []), ...(script.turns ?? []).flat()]) checkAct(act);
  const record = (entry: object) => {
    if (recordPath !== undefined) appendFileSync(recordPath, `${JSON.stringify({ pid: process.pid, ...entry })}\n`);
  };
  record({ started: { args, cwd: process.cwd(), env: environment() } });
  const version = script.version ?? fake.version ?? defaultVersion;
  const session = new Session(readArguments(args, version), script, new Output(), record);
  await session.start();
  readLines(
    (line) => session.receive(line),
    () => session.endInput(),
  );
}

/** What the process was given, without what the launcher adds for the fake itself. */
function environment(): object {
  const isOfTheFake = (name: string) => name.startsWith("FAKE_CLAUDE_") || name === "NODE_COMPILE_CACHE";
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !isOfTheFake(name)));
}

/** How many processes have started with this script before. The file system decides between two at once. */
function takeOrdinal(prefix: string): number {
  for (let ordinal = 0; ; ordinal++) {
    try {
      closeSync(openSync(`${prefix}.${ordinal}`, "wx"));
      return ordinal;
    } catch {
      // Another process has it.
    }
  }
}
