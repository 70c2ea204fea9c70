/**
 * `npm run clients`: builds, checks and tries every client, and writes the table of docs/clients.md.
 *
 *   npm run clients                     all languages
 *   npm run clients -- go python        these only
 *   npm run clients -- --only suite go  a part of it: build, check, suite
 *
 * A client whose tools the machine lacks is not tested, and the last lines say so; with CI=true that is a failure, and so
 * is a table that differs from the committed one.
 */
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { folderOf, type Language, languages, obstacle, ownerOf, repository } from "./languages.ts";
import { type CellResult, resultsVariable } from "./results.ts";
import { step } from "./steps.ts";
import { pageWith, writePage } from "./table.ts";

const parts = ["build", "check", "suite"] as const;
type Part = (typeof parts)[number];

/** How much of a failed step's output is shown, in characters. */
const maxOutputChars = 20_000;

const isCi = process.env.CI === "true";
const { chosen, chosenParts } = readArguments();
const failures: string[] = [];

const untested = chosen.flatMap((language) => {
  const why = obstacle(language);
  return why === undefined ? [] : { language, why };
});
const testable = chosen.filter((language) => untested.every((other) => other.language !== language));

const unbuilt = new Set<Language>();
for (const owner of new Set(testable.map(ownerOf))) {
  const isBuilt = !chosenParts.includes("build") || (await script(owner, "build"));
  if (!isBuilt) unbuilt.add(owner);
  else if (chosenParts.includes("check")) await script(owner, "check");
}
const built = testable.filter((language) => !unbuilt.has(ownerOf(language)));
if (chosenParts.includes("suite") && built.length > 0) await suite(built);

for (const { language, why } of untested) process.stdout.write(`- ${language.title} was not tested: ${why}\n`);
if (isCi && untested.length > 0) failures.push("clients were not tested");
if (failures.length > 0) {
  process.stdout.write(`\nclients: ${failures.join("; ")}\n`);
  process.exitCode = 1;
} else {
  const names = built.map(({ title }) => title).join(", ") || "none";
  process.stdout.write(`\nclients: ${names}: all is well\n`);
}

function readArguments(): { readonly chosen: readonly Language[]; readonly chosenParts: readonly Part[] } {
  const { values, positionals } = parseArgs({
    options: { only: { type: "string", multiple: true } },
    allowPositionals: true,
  });
  const unknown = positionals.filter((name) => languages.every((language) => language.name !== name));
  const only = values.only ?? parts;
  const strange = only.filter((part) => !parts.some((known) => known === part));
  if (unknown.length > 0 || strange.length > 0) {
    const names = languages.map(({ name }) => name).join(", ");
    process.stderr.write(
      `clients: ${[...unknown, ...strange].join(", ")}? Languages: ${names}; --only ${parts.join(", ")}\n`,
    );
    process.exit(2);
  }
  return {
    chosen: languages.filter(
      ({ name, folder = name }) =>
        positionals.length === 0 || positionals.includes(name) || positionals.includes(folder),
    ),
    chosenParts: parts.filter((part) => only.includes(part)),
  };
}

/** Runs a script of the client's own; its output is shown if it fails. */
async function script(language: Language, name: "build" | "check"): Promise<boolean> {
  const startedMs = performance.now();
  const { code, output } = await run(join(folderOf(language), `${name}.sh`), [], {}, "kept");
  step(language.title, name, performance.now() - startedMs, code === 0);
  if (code === 0) return true;
  process.stdout.write(`${output.slice(-maxOutputChars)}\n`);
  failures.push(`${language.title}: ${name}.sh failed`);
  return false;
}

async function suite(tried: readonly Language[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "claude-runner-clients-"));
  try {
    const file = join(folder, "results.json");
    const args = ["run", "--config", "clients/suite/vitest.config.ts"];
    const env = { CLIENTS: tried.map(({ name }) => name).join(","), [resultsVariable]: file, NO_COLOR: "1" };
    const { code } = await run(join(repository, "node_modules/.bin/vitest"), args, env, "shown");
    if (code !== 0) failures.push("behaviours do not hold");
    table(JSON.parse(await readFile(file, "utf8")) as readonly CellResult[]);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function table(results: readonly CellResult[]): void {
  const { before, after } = pageWith(results);
  if (before === after) process.stdout.write("docs/clients.md is up to date\n");
  else if (isCi) {
    process.stdout.write("docs/clients.md is not up to date: run `npm run clients` and commit what changes\n");
    failures.push("the table differs");
  } else {
    writePage(after);
    process.stdout.write("docs/clients.md is written\n");
  }
}

function run(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  output: "kept" | "shown",
): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const stdio = output === "shown" ? "inherit" : "pipe";
    const child = spawn(command, args, {
      cwd: repository,
      env: { ...process.env, ...env },
      stdio: ["ignore", stdio, stdio],
    });
    let kept = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        kept = (kept + text).slice(-maxOutputChars);
      });
    }
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output: kept }));
  });
}
