/**
 * What a request may ask for: tools, history, pictures, model, schema, labels.
 */
import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Outcome } from "../../../gen/claude/runner/v1/result_pb.ts";
import { Detail, Effort, Role } from "../../../gen/claude/runner/v1/runner_pb.ts";
import { model, type Scene } from "../../e2e/scene.ts";
import { answerSchema, type ContractCalls, otherModel } from "./calls.ts";

/** One white pixel. */
const pixel = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg==",
  "base64",
);

/** What the model was sent last. */
function lastBody({ standin }: Scene): Readonly<Record<string, unknown>> {
  return standin.requests.at(-1)!.body as Readonly<Record<string, unknown>>;
}

function plainText(content: unknown): string {
  if (typeof content === "string") return content;
  return (content as { text?: string }[]).map(({ text }) => text ?? "").join("");
}

function stringBigints(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

/** Requests: what they ask for reaches the model, and nothing else does. */
export function requestsContract(calls: ContractCalls): void {
  const { run, expectCleanTurn } = calls;

  describe("tools", () => {
    it("tells of a tool's use, its exact input and what it answered, in this order", async () => {
      const prompt = `[[scenario bash ${JSON.stringify({ command: "printf 'out'; printf 'err' >&2" })}]]`;
      const turn = await run({ profile: "tools", prompt });
      const [use] = turn.all("toolUse");
      const [result] = turn.all("toolResult");
      expect(turn.started.tools).toEqual(expect.arrayContaining(["Bash", "Read"]));
      expect(use?.toolName).toBe("Bash");
      expect(JSON.parse(use?.inputJson ?? "")).toMatchObject({ command: "printf 'out'; printf 'err' >&2" });
      expect(use?.input).toEqual(JSON.parse(use?.inputJson ?? ""));
      expect(
        turn
          .all("toolInputDelta")
          .map(({ partialJson }) => partialJson)
          .join(""),
      ).toBe(use?.inputJson);
      expect(result).toMatchObject({ toolUseId: use?.toolUseId, isError: false, permissionDecision: "accept" });
      expect(result?.output).toMatchObject({ case: "bash", value: { interrupted: false } });
      expect(turn.kinds.indexOf("toolUse")).toBeLessThan(turn.kinds.indexOf("toolResult"));
      expect(turn.result).toMatchObject({ outcome: Outcome.COMPLETED, text: "The command ran.", modelCallCount: 2 });
    });

    it("tells of a denied tool, and the turn goes on", async () => {
      const turn = await run({ profile: "tools", prompt: '[[scenario tool {"name":"Write","input":{}}]]' });
      expect(turn.all("toolResult")).toMatchObject([{ isError: true }]);
      expect(turn.result.outcome).toBe(Outcome.COMPLETED);
    });

    it("carries a collected turn's tool uses", async () => {
      const answer = await calls.client.chat({ profile: "tools", prompt: "[[scenario parallel-tools]]" });
      expect(answer.text).toBe("All three ran.");
      expect(answer.toolUses.map(({ inputJson }) => (JSON.parse(inputJson) as { command: string }).command)).toEqual([
        "echo one",
        "echo two",
        "echo three",
      ]);
    });
  });

  describe("what a request may ask for", () => {
    it("hands over a history, the newest last, without a model call for it", async () => {
      const before = calls.scene.standin.requests.length;
      const turn = await run({
        prompt: "And now? [[scenario conversation]]",
        history: [
          { role: Role.USER, text: "Remember 7." },
          { role: Role.ASSISTANT, text: "I do." },
          { role: Role.USER, text: "And 9." },
          { role: Role.ASSISTANT, text: "I do as well." },
        ],
      });
      const sent = (JSON.parse(turn.text) as { role: string; content: unknown }[]).map(
        ({ role, content }) => `${role}: ${plainText(content)}`,
      );
      expect(sent).toEqual([
        "user: Remember 7.",
        "assistant: I do.",
        "user: And 9.",
        "assistant: I do as well.",
        "user: And now? [[scenario conversation]]",
      ]);
      expect(turn.started.seededMessageCount).toBe(4);
      expect(turn.result.modelCallCount).toBe(1);
      expect(calls.scene.standin.requests.length).toBe(before + 1);
      await expectCleanTurn();
    });

    it("sends pictures and documents to the model as they came", async () => {
      const turn = await run({
        content: [
          { block: { case: "text", value: "What is this? [[scenario conversation]]" } },
          { block: { case: "image", value: { mediaType: "image/png", data: pixel } } },
          {
            block: {
              case: "document",
              value: { source: { case: "text", value: "A document." }, title: "The title" },
            },
          },
        ],
      });
      const [{ content }] = JSON.parse(turn.text) as [{ content: { type: string; [of: string]: unknown }[] }];
      expect(content.map(({ type }) => type)).toEqual(["text", "image", "document"]);
      expect(content[1]?.source).toMatchObject({ type: "base64", media_type: "image/png" });
      expect(content[2]).toMatchObject({ title: "The title", source: { data: "A document." } });
      await expectCleanTurn();
    });

    it("sends the system prompt, the model and the effort that were asked for, and the profile's own again after", async () => {
      const ask = { systemPrompt: "You are a pirate.", model: otherModel, effort: Effort.LOW };
      const asked = await run({ prompt: `pirate ${randomUUID()}`, ...ask });
      expect(asked.started.model).toBe(otherModel);
      expect(lastBody(calls.scene).model).toBe(otherModel);
      expect(JSON.stringify(lastBody(calls.scene).system)).toContain("You are a pirate.");
      const { started } = await run({ prompt: "pirate again", systemPrompt: ask.systemPrompt });
      expect(started.model).toBe(model);
      expect(lastBody(calls.scene).model).toBe(model);
    });

    it("gives an answer that follows a schema, as a value and as exact JSON", async () => {
      const value = { answer: "42", note: "ü" };
      const turn = await run({
        prompt: `[[scenario structured ${JSON.stringify({ value })}]]`,
        outputSchemaJson: answerSchema,
      });
      expect(turn.result.outcome).toBe(Outcome.COMPLETED);
      expect(JSON.parse(turn.result.structuredOutputJson)).toEqual(value);
      expect(turn.result.structuredOutput?.kind.case).toBe("structValue");
    });

    it("says when the model gave no answer that follows the schema", async () => {
      const missing = await run({ prompt: "[[scenario structured-missing]]", outputSchemaJson: answerSchema });
      expect(missing.failure).toBeUndefined();
      expect(missing.result).toMatchObject({ outcome: Outcome.STRUCTURED_OUTPUT_FAILED, structuredOutputJson: "" });
    });

    it("writes labels into the log's line of the turn and nowhere else", async () => {
      const secret = `customer-${randomUUID()}`;
      const before = calls.scene.standin.requests.length;
      const turn = await run({ prompt: "labelled", labels: { customer: secret }, detail: Detail.FULL });
      expect(await calls.scene.book.turnEnded(turn.turnId)).toMatchObject({
        labels: { customer: secret },
        tenant: "acme",
      });
      for (const { bodyText, headers } of calls.scene.standin.requests.slice(before)) {
        expect(bodyText + JSON.stringify(headers)).not.toContain(secret);
      }
      expect(JSON.stringify(turn.responses, stringBigints)).not.toContain(secret);
    });
  });
}
