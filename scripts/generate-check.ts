/**
 * Fails when generated code is not what `buf generate` makes of the .proto files. Generates into a temporary folder and
 * compares. What other languages commit is checked by their own tools (`npm run clients`).
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What is generated from what. */
const generated = [
  { template: "buf.gen.yaml", out: "gen" },
  { template: "clients/typescript/buf.gen.yaml", out: "clients/typescript/src/gen" },
];

for (const { template, out } of generated) compare(template, out);

function compare(template: string, out: string): void {
  const folder = mkdtempSync(join(tmpdir(), "claude-runner-gen-"));
  try {
    execFileSync("buf", ["generate", "--template", template, "--output", folder], { stdio: "inherit" });
    const expected = filesOf(join(folder, out));
    const actual = filesOf(out);
    const differing = [...new Set([...expected.keys(), ...actual.keys()])]
      .filter((path) => expected.get(path) !== actual.get(path))
      .sort();
    if (differing.length === 0) console.log(`${out} is up to date (${actual.size} files)`);
    else {
      console.error(
        `${out} is not up to date: run \`npm run generate\` and commit what changes\n  ${differing.join("\n  ")}`,
      );
      process.exitCode = 1;
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Content by path. */
function filesOf(root: string): ReadonlyMap<string, string> {
  const entries = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    entries.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(root.length + 1), readFileSync(path, "utf8")];
    }),
  );
}
