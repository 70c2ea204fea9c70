/**
 * Built-in scenarios in which the model answers: text, thinking, everything else that a message can hold, and the ways
 * in which a message can end.
 */
import { z } from "zod";
import { earlierPrompts } from "../conversation.ts";
import { withoutMarker } from "../marker.ts";
import { always, builtIn, message, pauses, text, usage } from "./define.ts";

const standardText = "Hello there. This is the stand-in for the model API, answering in a few short pieces.";

export const answers = [
  builtIn(
    "answer",
    "A friendly answer to whatever was asked. The default.",
    { brief: z.boolean().default(false), ...pauses, ...usage },
    ({ brief, ...options }, { request, conversation }) =>
      always(text(friendlyAnswer(conversation.prompt, earlierPrompts(request, conversation), brief), options)),
  ),
  builtIn(
    "text",
    "The given text, cut as told.",
    {
      text: z.string().default(standardText),
      deltas: z.union([z.number().int().min(1), z.array(z.string())]).optional(),
      ...pauses,
      ...usage,
    },
    ({ text, deltas, ...options }) => always(message([{ type: "text", text, deltas }], options)),
  ),
  builtIn(
    "slow-text",
    "Text with 200 ms before it and 50 ms between its pieces.",
    { text: z.string().default(standardText), ...pauses, ...usage },
    ({ text: content, ...options }) =>
      always(
        text(content, {
          ...options,
          beforeFirstEventMs: options.beforeFirstEventMs || 200,
          betweenDeltasMs: options.betweenDeltasMs || 50,
        }),
      ),
  ),
  builtIn(
    "long-text",
    "Many deltas as fast as they are read, or paced. For load.",
    {
      deltaCount: z.number().int().min(1).max(2_000_000).default(1_000),
      deltaChars: z.number().int().min(1).default(20),
      ...pauses,
      ...usage,
    },
    ({ deltaCount, deltaChars, ...options }) =>
      always(message([{ type: "text", load: { deltaCount, deltaChars } }], options)),
  ),
  builtIn(
    "conversation",
    "The prompts and answers of the conversation so far, as JSON: shows what the model was sent.",
    {},
    (_options, { request }) =>
      always(
        text(
          JSON.stringify(
            request.messages
              .filter((sent) => sent.role !== "system")
              .map((sent) => ({ role: sent.role, content: sent.content })),
          ),
        ),
      ),
  ),
  builtIn(
    "thinking",
    "Thinking with a signature, then text.",
    {
      thinking: z.string().default("The user greets me. A greeting is due."),
      text: z.string().default(standardText),
      ...pauses,
      ...usage,
    },
    ({ thinking, text, ...options }) =>
      always(
        message(
          [
            { type: "thinking", thinking },
            { type: "text", text },
          ],
          options,
        ),
      ),
  ),
  builtIn("hidden-thinking", "Thinking of which only estimates of its length are shown, then text.", {}, () =>
    always(
      message([
        { type: "thinking", thinking: "", deltas: ["", "", ""], estimatedTokensPerDelta: 50 },
        { type: "text", text: standardText },
      ]),
    ),
  ),
  builtIn("redacted-thinking", "A redacted thinking block, then text.", {}, () =>
    always(
      message([
        { type: "redacted_thinking", data: "cmVkYWN0ZWQgYnkgdGhlIHN0YW5kLWlu" },
        { type: "text", text: standardText },
      ]),
    ),
  ),
  builtIn("citations", "Text with a citation of a document.", {}, () =>
    always(
      message([
        {
          type: "text",
          text: "The sky is blue.",
          citations: [
            {
              type: "char_location",
              cited_text: "The sky is blue.",
              document_index: 0,
              document_title: "Sky",
              start_char_index: 0,
              end_char_index: 16,
            },
          ],
        },
      ]),
    ),
  ),
  builtIn("web-search", "A search that the model API does itself: server tool use, its result, then text.", {}, () =>
    always(
      message([
        {
          type: "other",
          contentBlock: { type: "server_tool_use", id: "srvtoolu_standin1", name: "web_search", input: {} },
          deltas: [{ type: "input_json_delta", partial_json: '{"query":"stand-in"}' }],
        },
        {
          type: "other",
          contentBlock: {
            type: "web_search_tool_result",
            tool_use_id: "srvtoolu_standin1",
            content: [
              {
                type: "web_search_result",
                title: "Example",
                url: "https://example.com/",
                encrypted_content: "c3RhbmQtaW4=",
                page_age: null,
              },
            ],
          },
        },
        { type: "text", text: "I found one page." },
      ]),
    ),
  ),
  builtIn("unknown-delta", "Text in which a delta has a type that nobody knows.", {}, () =>
    always(
      message([
        {
          type: "other",
          contentBlock: { type: "text", text: "" },
          deltas: [
            { type: "text_delta", text: "before " },
            { type: "sparkle_delta", sparkle: { level: 7 } },
            { type: "text_delta", text: "after" },
          ],
        },
      ]),
    ),
  ),
  builtIn("unknown-block", "A block of a type that nobody knows, then text.", {}, () =>
    always(
      message([
        { type: "other", contentBlock: { type: "hologram", projection: "ship" } },
        { type: "text", text: standardText },
      ]),
    ),
  ),
  builtIn("pause-turn", "A message that ends with pause_turn.", {}, () =>
    always(text("Let me pause here.", { stopReason: "pause_turn" })),
  ),
  builtIn("stop-sequence", "A message that ends at a stop sequence.", {}, () =>
    always(text("One, two", { stopReason: "stop_sequence", stopSequence: ", three" })),
  ),
  builtIn(
    "max-tokens",
    "Every message is cut at the output limit.",
    { text: z.string().default("It goes on and on") },
    (options) => always(text(options.text, { stopReason: "max_tokens" })),
  ),
  builtIn(
    "max-tokens-once",
    "The first message is cut at the output limit, the next one goes on to the end.",
    {},
    () => ({
      steps: [{ play: text("The first half, ", { stopReason: "max_tokens" }) }, { play: text("and the second half.") }],
    }),
  ),
  builtIn("context-window", "Every message is cut at the end of the context window.", {}, () =>
    always(text("There is no room left", { stopReason: "model_context_window_exceeded" })),
  ),
  builtIn(
    "refusal",
    "The model refuses after a few words.",
    {
      text: z.string().default("I would rather"),
      category: z.string().default("cyber"),
      explanation: z.string().default("The scenario makes the stand-in refuse."),
    },
    ({ text: content, category, explanation }) =>
      always(
        message(content === "" ? [] : [{ type: "text", text: content }], {
          stopReason: "refusal",
          stopDetails: { type: "refusal", category, explanation },
        }),
      ),
  ),
  builtIn("summary", "What a request to summarise the conversation gets, whatever its marker.", {}, () =>
    always(text("<summary>\nThe user talked to the stand-in.\n</summary>")),
  ),
];

function friendlyAnswer(prompt: string, earlier: readonly string[], brief: boolean): string {
  const asked = withoutMarker(prompt);
  const words = asked.split(/\s+/).filter((word) => word !== "").length;
  const before = earlier.at(-1);
  const memory =
    before === undefined
      ? "It is the first thing you tell me."
      : `Before, you told me ${earlier.length === 1 ? "one thing" : `${earlier.length} things`}, the last one “${excerpt(withoutMarker(before))}”.`;
  const answer = `You wrote “${excerpt(asked)}”, which is ${words} ${words === 1 ? "word" : "words"}. ${memory}`;
  if (brief) return answer;
  return (
    `${answer}\n\n` +
    "I am not a model: I am the stand-in for the model API, a small program on this machine. " +
    "Everything else is real. Your call went over RPC to a Claude Code process, " +
    "that process sent its request to me, and my answer streams back to you the same way. " +
    "Give the server a credential, and the same call is answered by Claude."
  );
}

function excerpt(text: string): string {
  // What is shown is at the beginning; the rest may be megabytes.
  const line = text.trimStart().slice(0, 1_000).replaceAll(/\s+/g, " ").trim();
  const characters = Array.from(line);
  return characters.length <= 80 ? line : `${characters.slice(0, 77).join("")}…`;
}
