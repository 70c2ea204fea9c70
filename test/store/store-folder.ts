/**
 * Folders of stores for tests, which go with their test.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";
import { type OpenedStore, type OpenStoreOptions, openStore } from "../../src/store/open-store.ts";
import { checkStore } from "../../src/store/sqlite/store-check.ts";
import { visitStore } from "../../src/store/sqlite/store-visit.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { FakeClock } from "../fake-clock.ts";

const folders: string[] = [];
const opened: OpenedStore[] = [];

afterEach(async () => {
  for (const { store } of opened.splice(0)) await store[Symbol.asyncDispose]();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

export function newFolder(): string {
  const folder = join(mkdtempSync(join(tmpdir(), "store-")), "store");
  folders.push(join(folder, ".."));
  return folder;
}

/** Opens a store, which is closed with its test at the latest. */
export async function openAt(folder: string | undefined, more: Partial<OpenStoreOptions> = {}): Promise<OpenedStore> {
  const options: OpenStoreOptions = { kind: "sqlite", folder, clock: new FakeClock(), log: silentLog, ...more };
  const one = await openStore(options);
  opened.push(one);
  return one;
}

export async function closeStore({ store }: OpenedStore): Promise<void> {
  opened.splice(
    opened.findIndex((one) => one.store === store),
    1,
  );
  await store[Symbol.asyncDispose]();
}

/** What is not as it must be in the store of a folder. */
export function problemsIn(folder: string): readonly string[] {
  const visit = visitStore(folder);
  try {
    return checkStore(visit.sql);
  } finally {
    visit.close();
  }
}

/** The files of a folder that have some words in them. */
export function filesWith(folder: string, words: string): string[] {
  return readdirSync(folder).filter((file) => readFileSync(join(folder, file)).includes(words));
}
