import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { flagsOfSettings, settingsCatalog, variableOf } from "../../src/config/catalog.ts";
import { loadSettings } from "../../src/config/load.ts";
import { settingsReference } from "../../src/config/settings-document.ts";

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

  it("has every setting that a flag stands for", () => {
    const paths = new Set(settingsCatalog.map(({ path }) => path.join(".")));
    expect(flagsOfSettings.filter(({ path }) => !paths.has(path))).toEqual([]);
  });
});

describe("docs/operations.md", () => {
  it("is up to date with the settings (else: npm run docs)", () => {
    expect(page).toContain(settingsReference());
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
