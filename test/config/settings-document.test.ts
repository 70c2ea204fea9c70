import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { flagsOfSettings, settingsCatalog, variableOf } from "../../src/config/catalog.ts";
import { loadSettings } from "../../src/config/load.ts";
import { settingsReference } from "../../src/config/settings-document.ts";

const rowOf = (path: readonly string[]) => `**\`${path.join(".").replace("*", "<name>")}\`**`;
const placeOf = (path: readonly string[]) => page.indexOf(`| ${rowOf(path)}`);

const page = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8");

describe("the list of settings", () => {
  it("says of each what it means", () => {
    const silent = settingsCatalog.filter(({ description }) => description === "").map(({ path }) => path.join("."));
    expect(silent).toEqual([]);
  });

  it("gives each a variable of its own", () => {
    const names = settingsCatalog.map(({ path }) => variableOf(path));
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain("CLAUDE_RUNNER_POOL_MAX_WORKER_MEMORY_BYTES");
  });

  it("gives each a tier, and no more than twenty to look at first", () => {
    const tiers = Map.groupBy(settingsCatalog, ({ tier }) => tier);
    expect([...tiers.keys()].sort()).toEqual(["essential", "forTests", "seldom"]);
    expect(tiers.get("essential")!.length).toBeLessThanOrEqual(20);
    expect(tiers.get("forTests")!.length).toBeGreaterThan(15);
  });

  it("has no flag for what only tests change", () => {
    const ofFlags = flagsOfSettings.map(({ path }) => settingsCatalog.find((one) => one.path.join(".") === path)?.tier);
    expect(ofFlags).not.toContain("forTests");
  });

  it("has every setting that a flag stands for", () => {
    const paths = new Set(settingsCatalog.map(({ path }) => path.join(".")));
    expect(flagsOfSettings.filter(({ path }) => !paths.has(path))).toEqual([]);
  });
});

describe("docs/operations.md", () => {
  it("is up to date with the settings (else: npm run docs)", () => {
    expect(page).toContain(settingsReference());
  });

  it("has what is essential first, and what only tests change last", () => {
    const order = settingsCatalog
      .toSorted((one, other) => placeOf(one.path) - placeOf(other.path))
      .map(({ tier }) => tier);
    expect(order.filter((tier, at) => tier !== order[at - 1])).toEqual(["essential", "seldom", "forTests"]);
  });

  it("says nothing about the machine that it was made on", () => {
    for (const setting of settingsCatalog.filter(({ defaultText }) => defaultText !== undefined)) {
      const row = page
        .split("\n")
        .find((line) => line.includes(`**\`${setting.path.join(".").replace("*", "<name>")}\``));
      expect(row).toContain(`| ${setting.defaultText} |`);
    }
  });

  it("has a settings file that works", () => {
    const yaml = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? "";
    const folder = mkdtempSync(join(tmpdir(), "claude-runner-docs-"));
    try {
      writeFileSync(join(folder, "claude-runner.yaml"), yaml);
      const { settings } = loadSettings({
        env: { HOME: folder },
        workingFolder: folder,
        configFile: "claude-runner.yaml",
      });
      expect(settings.auth.tokens).toHaveLength(1);
      expect(settings.profiles.default?.maxWorkers).toBe(16);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
