import { expect, test } from "vitest";
import { bindingKey } from "../src/binding-key.ts";

test("two turns share a binding exactly when system prompt and schema are the same", () => {
  const key = (systemPrompt: string, outputSchemaJson?: string) => bindingKey({ systemPrompt, outputSchemaJson });
  expect(key("a")).toBe(key("a"));
  expect(new Set([key("a"), key("b"), key("a", "{}"), key("", "a"), key('a","{}')]).size).toBe(5);
});
