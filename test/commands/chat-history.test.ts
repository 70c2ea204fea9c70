import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Role } from "../../gen/claude/runner/v1/runner_pb.ts";
import { Conversation } from "../../src/commands/chat-history.ts";
import { UsageError } from "../../src/commands/command.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "claude-runner-history-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("a conversation", () => {
  it("goes on from file to file, for its owner only, and leaves nothing else behind", () => {
    const file = join(folder, "talk.json");
    new Conversation(file).add("one", "eins");
    const again = new Conversation(file);
    again.add("two", "zwei");
    expect(new Conversation(file).said.map(({ text }) => text)).toEqual(["one", "eins", "two", "zwei"]);
    expect(again.messages[0]).toEqual({ role: Role.USER, text: "one" });
    expect(again.messages[1]).toEqual({ role: Role.ASSISTANT, text: "eins" });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(["talk.json"]);
  });

  it("leaves out a turn without an answer: it could not be continued", () => {
    const conversation = new Conversation();
    expect(conversation.add("one", " \n")).toBe(false);
    expect(conversation.said).toEqual([]);
  });

  it("loses its beginning when it becomes longer than a server takes", () => {
    const conversation = new Conversation();
    for (let turn = 0; turn < 201; turn += 1) conversation.add(`q${turn}`, `a${turn}`);
    expect(conversation.said).toHaveLength(400);
    expect(conversation.said[0]).toEqual({ role: "user", text: "q1" });
    conversation.add("big", "x".repeat(4 * 1024 * 1024 - 100));
    expect(conversation.said.length).toBeLessThan(400);
    expect(conversation.said[0]?.role).toBe("user");
    expect(conversation.said.at(-1)?.text).toMatch(/^x+$/);
  });

  it.each(["no json", "{}", '[{"role":"system","text":"x"}]', '[{"role":"user"}]'])(
    "refuses a file with %s",
    (text) => {
      const file = join(folder, "bad.json");
      writeFileSync(file, text);
      expect(() => new Conversation(file)).toThrow(UsageError);
      expect(readFileSync(file, "utf8")).toBe(text);
    },
  );
});
