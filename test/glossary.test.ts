/** The words of docs/glossary.md: those that are not used are not there, and those of closed lists are explained. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const root = new URL("../", import.meta.url);
const [words = "", unused = ""] = readFileSync(new URL("docs/glossary.md", root), "utf8").split("## Words to avoid");

const sources = readdirSync(new URL("src/", root), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => [file, readFileSync(new URL(`src/${file}`, root), "utf8")] as const);

const rowsOf = (text: string) =>
  text
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("|---"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
    .slice(1);

test("a word that is not used is nowhere in the source", () => {
  const banned = rowsOf(unused).flatMap(([not = ""]) => [...not.matchAll(/`([^`]+)`/g)].map(([, word]) => word!));
  expect(banned.length).toBeGreaterThan(10);
  const found = banned.flatMap((word) =>
    sources.filter(([, text]) => usesWord(text, word)).map(([file]) => `${word}: ${file}`),
  );
  expect(found).toEqual([]);
});

test("a word is explained once", () => {
  const explained = rowsOf(words).map(([word]) => word);
  expect(explained.length).toBeGreaterThan(30);
  expect(new Set(explained).size).toBe(explained.length);
});

/** Whole words only, where the word begins and ends with a letter. */
function usesWord(text: string, word: string): boolean {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    const before = /\w/.test(text[at - 1] ?? "") && /^\w/.test(word);
    const after = /\w/.test(text[at + word.length] ?? "") && /[A-Za-z0-9]$/.test(word);
    if (!before && !after) return true;
  }
  return false;
}
