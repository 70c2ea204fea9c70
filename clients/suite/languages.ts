/**
 * The languages that have a client: where it is, and what a machine needs to build it.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

export const repository = join(import.meta.dirname, "../..");

export interface Language {
  /** As it is named on the command line, and its folder below `clients` unless `folder` names another. */
  readonly name: string;
  /** Set for a second way to use a client: it is built, checked and shown by the language of that folder. */
  readonly folder?: string;
  readonly driverArguments?: readonly string[];
  /** As people write it. */
  readonly title: string;
  /** Commands that have to work, each with what to install when one does not. */
  readonly tools: readonly { readonly command: readonly string[]; readonly install: string }[];
}

const pythonTools = [
  { command: ["python3", "-c", "import venv, ensurepip"], install: "Python 3.10 or newer with venv" },
];

export const languages: readonly Language[] = [
  { name: "go", title: "Go", tools: [{ command: ["go", "version"], install: "Go 1.26 or newer" }] },
  {
    name: "java",
    title: "Java",
    tools: [
      { command: ["javac", "-version"], install: "a JDK, 17 or newer" },
      { command: ["mvn", "--version"], install: "Maven 3.8 or newer" },
    ],
  },
  { name: "python", title: "Python", tools: pythonTools },
  {
    name: "python-asyncio",
    title: "Python asyncio",
    folder: "python",
    driverArguments: ["--async"],
    tools: pythonTools,
  },
  { name: "rust", title: "Rust", tools: [{ command: ["cargo", "--version"], install: "Rust 1.95 or newer" }] },
  { name: "typescript", title: "TypeScript", tools: [] },
];

export function folderOf({ name, folder = name }: Language): string {
  return join(repository, "clients", folder);
}

/** The language whose folder it is: itself, unless it is a second way to use that one's client. */
export function ownerOf({ name, folder = name }: Language): Language {
  const owner = languages.find((language) => language.name === folder);
  if (owner === undefined) throw new Error(`bug: ${name} is in the folder of no language`);
  return owner;
}

/** Why a client cannot be tested on this machine; `undefined`: it can. */
export function obstacle(language: Language): string | undefined {
  if (!existsSync(join(folderOf(language), "driver.sh"))) return `clients/${ownerOf(language).name} is not there`;
  for (const { command, install } of language.tools) {
    const [program, ...args] = command;
    try {
      execFileSync(program!, args, { stdio: "ignore" });
    } catch {
      return `\`${command.join(" ")}\` does not work here: install ${install}`;
    }
  }
  return undefined;
}
