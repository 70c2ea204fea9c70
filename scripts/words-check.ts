/**
 * Looks for words that public texts do without (`words.ts`) and fails when it finds one. Comments in the code may keep
 * their accent: of TypeScript only the texts that people see are read.
 */
import { globSync, readFileSync } from "node:fs";
import { findings, type TextKind } from "./words.ts";

/** What people read who use the project, by how its text stands there. */
const publicFiles: readonly { readonly kind: TextKind; readonly files: readonly string[] }[] = [
  { kind: "proto", files: ["proto/claude/**/*.proto"] },
  { kind: "markdown", files: ["*.md", "docs/*.md", "clients/*.md", "clients/*/*.md", "deploy/**/*.md"] },
  { kind: "typescript", files: ["src/**/*.ts", "web/**/*.ts", "test/security/groups/*.ts"] },
  { kind: "plain", files: ["web/*.html", "deploy/**/*.{yml,yaml,json,conf,cfg}"] },
];

let found = 0;
let fileCount = 0;
for (const { kind, files } of publicFiles) {
  for (const file of files.flatMap((pattern) => globSync(pattern)).sort()) {
    fileCount++;
    for (const { line, words, better } of findings(readFileSync(file, "utf8"), kind)) {
      found++;
      console.error(`${file}:${line}: "${words}": write ${better}`);
    }
  }
}
if (fileCount < 100)
  throw new Error(`bug: only ${fileCount} public files were found; start it in the repository's folder`);
if (found > 0) {
  console.error(`${found} words to change in public texts; CONTRIBUTING.md has the rules`);
  process.exitCode = 1;
} else console.log(`the words of ${fileCount} public files are plain`);
