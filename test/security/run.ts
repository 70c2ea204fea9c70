/**
 * `npm run security`: runs every negative test against a running server and prints the table with what happened.
 *
 *   npm run security               all of them
 *   npm run security -- JSON       only the groups whose title contains this
 */
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { testName } from "./attack.ts";
import { type Row, rows } from "./table.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

interface VitestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly message?: string;
    readonly assertionResults: readonly {
      readonly title: string;
      readonly status: string;
      readonly failureMessages?: readonly string[] | null;
    }[];
  }[];
}

const wanted = process.argv.slice(2).map((word) => word.toLowerCase());
const chosen = rows.filter(
  ({ group }) => wanted.length === 0 || wanted.some((word) => group.toLowerCase().includes(word)),
);
if (chosen.length === 0) {
  console.error(`no group is called like that. There are: ${[...new Set(rows.map(({ group }) => group))].join(", ")}`);
  process.exit(2);
}
console.log(`${chosen.length} negative tests, each followed by the question whether the server is well …\n`);
const verdicts = await run(chosen);
let failedCount = 0;
let group = "";
for (const row of chosen) {
  if (row.group !== group) console.log(`\n${row.group}`);
  group = row.group;
  const verdict = verdicts.get(keyOf(row)) ?? { held: false, why: "the test was not found" };
  if (!verdict.held) failedCount++;
  console.log(`  ${verdict.held ? "held" : "WEAK"}  ${testName(row)}`);
  if (verdict.why !== undefined) console.log(`        ${verdict.why.split("\n").slice(0, 3).join("\n        ")}`);
}
console.log(`\n${chosen.length - failedCount} held, ${failedCount} weak`);
process.exitCode = failedCount === 0 ? 0 : 1;

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}

function keyOf({ file, test }: Pick<Row, "file" | "test">): string {
  return `${file}\n${test}`;
}

/** Runs the files of some rows, and gives what became of every test in them. */
async function run(
  chosen: readonly Row[],
): Promise<ReadonlyMap<string, { readonly held: boolean; readonly why?: string }>> {
  const folder = await mkdtemp(join(tmpdir(), "security-"));
  try {
    const outputFile = join(folder, "report.json");
    const files = [...new Set(chosen.map(({ file }) => file))];
    const names = chosen.map(({ test }) => escaped(test)).join("|");
    const vitest = join(root, "node_modules/vitest/vitest.mjs");
    const args = ["run", ...files, "-t", names, "--reporter=json", `--outputFile=${outputFile}`];
    const child = spawn(process.execPath, [vitest, ...args], { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
    await new Promise((resolve) => child.once("close", resolve));
    const report = JSON.parse(await readFile(outputFile, "utf8")) as VitestReport;
    return new Map(
      report.testResults.flatMap(({ name, assertionResults }) =>
        assertionResults
          .filter(({ status }) => status === "passed" || status === "failed")
          .map(({ title, status, failureMessages }) => {
            const why = failureMessages?.[0];
            const held = status === "passed";
            return [keyOf({ file: relative(root, name), test: title }), { held, ...(why && { why }) }] as const;
          }),
      ),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
