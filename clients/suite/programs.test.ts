/**
 * What people read first: each client's page, its example, and the snippets of the top-level README.
 */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chosenLanguages } from "./chosen.ts";
import { Lab, type Scene, targetOf } from "./lab.ts";
import { folderOf, type Language, ownerOf, repository } from "./languages.ts";

const run = promisify(execFile);
/** How long a program may take, in milliseconds; a snippet may have to be compiled. */
const programTimeoutMs = 110_000;

/** How Markdown marks code of a language. */
const fences: Readonly<Record<string, string>> = {
  go: "go",
  java: "java",
  python: "python",
  rust: "rust",
  typescript: "ts",
};

/** The sections of every client's page: who knows one finds their way in all of them. */
const sections = [
  "Install",
  "The first call",
  "Events",
  "Cancel and deadline",
  "Conversation",
  "Sessions",
  "Streams that rejoin",
  "Errors and retry",
  "TLS",
  "Tracing",
  "Other services",
  "What is generated",
];

const lab = new Lab();
let scene: Scene;
beforeAll(async () => {
  scene = await lab.main();
});
afterAll(() => lab[Symbol.asyncDispose]());

/** Runs a script of a client against the scene. Fails with what it wrote. */
async function program(script: string, args: readonly string[] = []): Promise<string> {
  const { address, token } = targetOf(scene);
  const env = { ...process.env, CLAUDE_RUNNER_ADDRESS: address, CLAUDE_RUNNER_TOKEN: token };
  const { stdout, stderr } = await run(script, args, { env, timeout: programTimeoutMs });
  return stdout + stderr;
}

const readme = readFileSync(join(repository, "README.md"), "utf8");

/** The snippets of a language. */
function snippets(language: Language): readonly string[] {
  const fenced = new RegExp(`^\`\`\`${fences[language.name]}\\n(.*?)^\`\`\``, "gms");
  return [...readme.matchAll(fenced)].map(([, code]) => code!);
}

/** The cells below a heading of the first table. */
function columnOf(markdown: string, heading: string): readonly string[] {
  const table = markdown.split("\n").filter((line) => line.startsWith("| "));
  const rows = table.map((line) => line.split("|").map((cell) => cell.trim()));
  const at = rows[0]?.indexOf(heading) ?? -1;
  if (at < 0) throw new Error(`docs/clients.md has no column ${heading}`);
  const end = rows.findIndex(([, first]) => first === "A client");
  return rows.slice(1, end).map((row) => row[at] ?? "");
}

for (const language of new Set(chosenLanguages().map(ownerOf))) {
  describe(language.title, () => {
    test("the example streams, cancels, goes on with a conversation, and shows why a request is refused", async () => {
      // An answer that takes its time can be cancelled in the midst of it.
      using _slow = scene.standin.script("slow-text");
      const from = scene.book.position;
      const output = await program(join(folderOf(language), "example.sh"));
      expect(output.replaceAll("_", "").toLowerCase()).toContain("invalidrequest");
      const outcomes = () => scene.book.since(from, "turn ended").map(({ outcome }) => outcome);
      while (!outcomes().includes("cancelled")) await scene.book.wait(() => true, scene.book.position);
      expect(outcomes()).toContain("completed");
      const seeded = scene.book
        .since(from, "turn ended")
        .filter(({ stagesMs }) => (stagesMs as { seedHistory?: number }).seedHistory !== undefined);
      expect(seeded.length).toBeGreaterThan(0);
    });

    test("the page has the sections of every client's page, and what docs/clients.md says of the language", async () => {
      const page = await readFile(join(folderOf(language), "README.md"), "utf8");
      expect([...page.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading)).toEqual(sections);
      for (const name of ["CLAUDE_RUNNER_ADDRESS", "CLAUDE_RUNNER_TOKEN", "127.0.0.1:7433"])
        expect(page).toContain(name);
      const overview = await readFile(join(repository, "docs/clients.md"), "utf8");
      const words = columnOf(overview, language.title).flatMap((cell) =>
        [...cell.matchAll(/`([^`]+)`/g)].flatMap(([, code]) => code!.match(/[\w@-]{3,}/g) ?? []),
      );
      expect(words.length).toBeGreaterThan(10);
      expect(words.filter((word) => !page.includes(word))).toEqual([]);
    });

    // README.md shows some of the languages.
    const blocks = snippets(language);
    if (blocks.length === 0) return;
    test("the snippets of the README run", async () => {
      const script = join(folderOf(language), "snippet.sh");
      const folder = await mkdtemp(join(tmpdir(), "claude-runner-snippet-"));
      try {
        for (const [at, code] of blocks.entries()) {
          const file = join(folder, `snippet-${at + 1}.txt`);
          await writeFile(file, code);
          const from = scene.book.position;
          expect((await program(script, [file])).trim()).not.toBe("");
          const turns = scene.book.since(from, "turn ended");
          expect(turns.map(({ outcome }) => outcome)).toContain("completed");
        }
      } finally {
        await rm(folder, { recursive: true });
      }
    });
  });
}
