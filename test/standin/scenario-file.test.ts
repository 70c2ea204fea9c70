import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ScenarioError } from "../../src/standin/scenario.ts";
import { readScenarioFile } from "../../src/standin/scenario-file.ts";
import { startStandin } from "../../src/standin/standin-server.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "standin-"));
});
afterEach(() => rm(folder, { recursive: true }));

async function written(content: string): Promise<string> {
  const path = join(folder, "scenarios.yaml");
  await writeFile(path, content);
  return path;
}

test("a scenario file may be YAML", async () => {
  const path = await written(`
rules:
  - when: { contains: hello }
    scenario: { name: text, options: { text: from the file } }
`);
  await using standin = await startStandin({ scenarios: path });
  const response = await fetch(`${standin.url}/v1/messages`, {
    method: "POST",
    body: JSON.stringify({ model: "m", messages: [{ role: "user", content: "hello" }] }),
  });
  expect(await response.json()).toMatchObject({ content: [{ type: "text", text: "from the file" }] });
});

test("a scenario file may be JSON, or empty", async () => {
  expect(await readScenarioFile(await written('{"default": "thinking"}'))).toEqual({ default: "thinking" });
  expect(await readScenarioFile(await written(""))).toEqual({});
});

test("a scenario file that cannot be read is named", async () => {
  await expect(readScenarioFile(join(folder, "none.yaml"))).rejects.toThrow(/none\.yaml/u);
  await expect(readScenarioFile(await written("a: [1"))).rejects.toThrow(ScenarioError);
});
