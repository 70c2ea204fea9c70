/**
 * Answers: their order, their text, what they cost, and what was taken back.
 */
import { createHash } from "node:crypto";
import { expect } from "vitest";
import { type Behaviour, expectWell, resultOf, scenario } from "../behaviour.ts";
import { targetOf } from "../lab.ts";
import { type Response, scriptedServer } from "../scripted-server.ts";

/** Astral characters, joined emoji, right to left, combining marks, line separators, and a lone NUL. */
const unicode = [
  "Grüße, 世界! ",
  "👋🏽👩‍👩‍👧‍👦🏴󠁧󠁢󠁳󠁣󠁴󠁿 ",
  "שלום עולם مرحبا ",
  "e\u0301 n\u0303 ",
  "line\u2028separator\u2029paragraph\u0085next ",
  "nul\u0000nul ",
  "\uFEFFbom \uFFFD \u{10FFFF} 𝒜𝓈𝓉𝓇𝒶𝓁",
].join("");

/** More than one event takes, with a character of four bytes where it has to be cut. */
const astral = `a${"\u{1F600}".repeat(70_000)}`;

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

const big = { deltaCount: 5_000, deltaChars: 1_000 } as const;

export const answers: readonly Behaviour[] = [
  {
    title: "streams the answer's text in order",
    async holds(client, lab) {
      const pieces = Array.from({ length: 300 }, (_, at) => `${at + 1} `);
      // Pieces that are there at the same moment come as one; these have time between them.
      const prompt = scenario("text", { text: pieces.join(""), deltas: pieces, betweenDeltasMs: 2 });
      const answer = await client.stream(targetOf(await lab.main()), { prompt });
      expectWell(answer);
      expect(answer.text).toBe(pieces.join(""));
      expect(answer.kinds.text_delta).toBeGreaterThan(10);
    },
  },
  {
    title: "gives exactly one result, last, with usage, cost and stages",
    async holds(client, lab) {
      const usage = { inputTokens: 1200, outputTokens: 34, cacheReadInputTokens: 500, cacheCreationInputTokens: 60 };
      const answer = await client.stream(targetOf(await lab.main()), { prompt: scenario("text", { usage }) });
      expectWell(answer);
      expect(answer).toMatchObject({ firstKind: "started", lastKind: "result", kinds: { started: 1, result: 1 } });
      const result = resultOf(answer);
      expect(result).toMatchObject({
        outcome: "OUTCOME_COMPLETED",
        text: answer.text,
        usage: {
          inputTokenCount: "1200",
          outputTokenCount: "34",
          cacheReadInputTokenCount: "500",
          cacheCreationInputTokenCount: "60",
        },
      });
      expect(Number(result.costUsdMicros)).toBeGreaterThan(0);
      expect(result.stages?.total).toMatch(/^[\d.]+s$/);
      expect(answer.turnId).toMatch(/^[0-9a-f-]{36}$/);
      expect(answer.started).toMatchObject({
        profile: "default",
        cliVersion: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      });
    },
  },
  {
    title: "numbers events without a gap",
    async holds(client, lab) {
      const prompt = scenario("long-text", { deltaCount: 2_000 });
      const answer = await client.stream(targetOf(await lab.main()), { prompt });
      expectWell(answer);
      expect(answer).toMatchObject({ gapFree: true, unknownCount: 0 });
      expect(answer.eventCount).toBe(Object.values(answer.kinds).reduce((sum, count) => sum + count, 0));
    },
  },
  {
    title: "gives thinking, blocks and messages as typed events",
    async holds(client, lab) {
      const answer = await client.stream(targetOf(await lab.main()), {
        prompt: scenario("thinking", { thinking: "First I think.", text: "Then I say." }),
      });
      expectWell(answer);
      expect(answer.text).toBe("Then I say.");
      expect(Object.keys(answer.kinds)).toEqual(
        expect.arrayContaining([
          ...["started", "status", "message_start", "block_start", "thinking_delta", "signature_delta"],
          ...["text_delta", "assistant_block", "block_stop", "message_delta", "message_stop", "result"],
        ]),
      );
    },
  },
  {
    title: "iterates over the text only, piece by piece",
    async holds(client, lab) {
      const text = "One piece, another piece, and the rest.";
      const prompt = scenario("text", { text, deltas: 3, betweenDeltasMs: 20 });
      const answer = await client.text(targetOf(await lab.main()), { prompt });
      expectWell(answer);
      expect(answer.text).toBe(text);
      expect(answer.pieceCount).toBeGreaterThan(2);
    },
  },
  {
    title: "keeps every character of every script, wherever pieces are cut",
    async holds(client, lab) {
      const target = targetOf(await lab.main());
      for (const deltas of [1, 2, 7]) {
        const prompt = scenario("text", { text: unicode, deltas });
        const answer = await client.stream(target, { prompt });
        expectWell(answer);
        expect(answer.text).toBe(unicode);
        expect((await client.text(target, { prompt })).text).toBe(unicode);
      }
      const sliced = await client.stream(target, { prompt: scenario("text", { text: astral, deltas: [astral] }) });
      expect([sliced.textSha256, sliced.kinds.text_delta]).toEqual([sha256(astral), 2]);
      // And on the way there: what the model was sent comes back.
      const sent = await client.stream(target, { prompt: `${unicode} ${scenario("conversation")}` });
      expect(sent.text).toContain(JSON.stringify(unicode).slice(1, -1));
    },
  },
  {
    title: "streams an answer of 5 MB",
    async holds(client, lab) {
      const answer = await client.stream(targetOf(await lab.main()), { prompt: scenario("long-text", big) });
      expectWell(answer);
      expect(answer.textBytes).toBe(big.deltaCount * big.deltaChars);
      expect(answer).toMatchObject({ gapFree: true, lastKind: "result" });
      const { textSizeBytes, textTruncated } = resultOf(answer) as { textSizeBytes?: string; textTruncated?: boolean };
      expect([textSizeBytes, textTruncated]).toEqual([String(answer.textBytes), true]);
      const again = await client.text(targetOf(await lab.main()), { prompt: scenario("long-text", big) });
      expect(again.textSha256).toBe(answer.textSha256);
    },
  },
  {
    title: "leaves retracted text out of the collected text and of the result",
    async holds(client, lab) {
      const target = targetOf(await lab.main());
      const answer = await client.stream(target, { prompt: scenario("stream-error") });
      expectWell(answer);
      expect(answer.kinds.retracted).toBe(1);
      expect(answer.text).toBe("This is the whole text, not streamed.");
      expect(resultOf(answer).text).toBe(answer.text);
      const partly = await client.stream(target, { prompt: scenario("stream-cut-after-block") });
      expectWell(partly);
      expect(partly.kinds.retracted).toBe(1);
      expect(partly.text).toContain(resultOf(partly).text);
      expect(
        createHash("sha256")
          .update(partly.text ?? "")
          .digest("hex"),
      ).toBe(partly.textSha256);
    },
  },
  {
    title: "leaves what sub-agents say out of the text",
    async holds(client) {
      const [turnId, parentToolUseId] = ["3f2b8c3e-5e3f-4a55-8d0b-6f0f4a1f7c11", "toolu_of_the_main_conversation"];
      await using server = await scriptedServer(async function* (): AsyncGenerator<Response> {
        yield { sequence: 1, turnId, event: { case: "started", value: { model: "claude-scripted" } } };
        yield { sequence: 2, turnId, event: { case: "textDelta", value: { text: "The an" } } };
        yield { sequence: 3, turnId, parentToolUseId, event: { case: "textDelta", value: { text: "an aside" } } };
        yield { sequence: 4, turnId, parentToolUseId, event: { case: "retracted", value: {} } };
        yield { sequence: 5, turnId, event: { case: "textDelta", value: { text: "swer" } } };
        yield { sequence: 6, turnId, event: { case: "result", value: { outcome: 1, text: "The answer" } } };
      });
      const answer = await client.stream(server.target, { prompt: "x" });
      expectWell(answer);
      expect(answer).toMatchObject({ text: "The answer", kinds: { text_delta: 3, retracted: 1 } });
      expect((await client.text(server.target, { prompt: "x" })).text).toBe("The answer");
    },
  },
  {
    title: "collects a whole turn in one call",
    async holds(client, lab) {
      const { response, error } = await client.chat(targetOf(await lab.main()), {
        prompt: scenario("text", { text: "All in one." }),
      });
      expect(error).toBeUndefined();
      expect(response).toMatchObject({
        text: "All in one.",
        turnId: expect.stringMatching(/^[0-9a-f-]{36}$/),
        started: { profile: "default" },
        result: { outcome: "OUTCOME_COMPLETED" },
      });
    },
  },
  {
    title: "continues a conversation by its history",
    async holds(client, lab) {
      const target = targetOf(await lab.main());
      const { turns, error } = await client.conversation(target, [
        `Remember 7. ${scenario("text", { text: "I do." })}`,
        `And 9. ${scenario("text", { text: "I do as well." })}`,
        `What was it? ${scenario("conversation")}`,
      ]);
      expect(error).toBeUndefined();
      expect(turns.map(({ seededMessageCount }) => seededMessageCount)).toEqual([0, 2, 4]);
      const sent = JSON.parse(turns[2]!.text) as { role: string; content: unknown }[];
      expect(sent.map(({ role }) => role)).toEqual(["user", "assistant", "user", "assistant", "user"]);
      for (const [at, word] of ["Remember 7.", "I do.", "And 9.", "I do as well.", "What was it?"].entries()) {
        expect(JSON.stringify(sent[at]?.content)).toContain(word);
      }
    },
  },
];
