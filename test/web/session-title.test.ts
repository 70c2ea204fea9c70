import { expect, it } from "vitest";
import { titleOf, titleProblem } from "../../web/session-title.ts";

it("a conversation is called by the first words of its prompt, on one line", () => {
  expect(titleOf("  Name\n\n a  fruit ")).toBe("Name a fruit");
  const long = "These are the words of a prompt that goes on for longer than any title";
  expect(titleOf(long)).toBe("These are the words of a prompt that goes on for longer than…");
  expect(titleOf("x".repeat(100))).toBe(`${"x".repeat(60)}…`);
});

it("a title is cut between characters, and fits into what the server takes", () => {
  const title = titleOf("👩‍🚀".repeat(1_000));
  expect(title.isWellFormed()).toBe(true);
  expect(titleProblem(title)).toBeUndefined();
});

it("a title that a person writes has to say something, and no more than the server takes", () => {
  expect(titleProblem(" ")).toBe("Write a title.");
  expect(titleProblem("x".repeat(512))).toBeUndefined();
  expect(titleProblem("€".repeat(171))).toBe("The title has 513 bytes; 512 are allowed.");
});
