/**
 * Built-in scenarios in which the model API fails: by status, by silence, by a connection that breaks, by nonsense.
 */
import { z } from "zod";
import type { Breakage, ScenarioInput } from "../scenario.ts";
import { always, type BuiltIn, builtIn, message, text } from "./define.ts";

const brokenText = "This text breaks off before it is complete, as the scenario says.";
const rescueText = "This is the whole text, not streamed.";

const statuses: Readonly<Record<number, string>> = {
  400: "The request is not valid.",
  401: "The API key is not valid.",
  402: "Payment is required.",
  403: "The API key may not do this.",
  404: "The model is not found.",
  408: "The request timed out.",
  409: "The request conflicts with another one.",
  413: "The request is too large.",
  422: "The request cannot be processed.",
  429: "The rate limit is exceeded.",
  500: "The API failed.",
  503: "The API is unavailable.",
  529: "The API is overloaded.",
};

export const failures: readonly BuiltIn[] = [
  builtIn(
    "error",
    "Every request fails as told.",
    {
      status: z.number().int().min(400).max(599).default(500),
      type: z.string().optional(),
      message: z.string().optional(),
      headers: z.record(z.string(), z.string()).default({}),
      beforeHeadersMs: z.number().min(0).default(0),
    },
    (options) => always({ answer: "error", ...options }),
  ),
  ...Object.entries(statuses).map(([status, message]) =>
    builtIn(`error-${status}`, `Every request fails with ${status}. ${message}`, {}, () =>
      always({ answer: "error", status: Number(status), message }),
    ),
  ),
  builtIn("error-502-html", "Every request fails with 502 and a page of HTML, as proxies do.", {}, () =>
    always({ answer: "body", status: 502, body: "<html><body><h1>502 Bad Gateway</h1></body></html>" }),
  ),
  builtIn("prompt-too-long", "400: the prompt is too long, whatever is tried.", {}, () => always(promptTooLong)),
  builtIn(
    "compaction",
    "400: the prompt is too long, until the conversation was summarised; then text.",
    {},
    (_options, { conversation }) =>
      always(conversation.beginsWithSummary ? text("Now there is room again.") : promptTooLong),
  ),
  builtIn("credit-too-low", "400: the credit balance is too low.", {}, () =>
    always({
      answer: "error",
      status: 400,
      message:
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.",
    }),
  ),
  builtIn("rate-limit", "429 with a retry-after.", { retryAfterS: z.number().int().min(0).default(3_600) }, (options) =>
    always({
      answer: "error",
      status: 429,
      message: "This request would exceed your rate limit.",
      headers: { "retry-after": String(options.retryAfterS) },
    }),
  ),
  builtIn("rate-limit-final", "429 that says not to retry.", {}, () =>
    always({ answer: "error", status: 429, headers: { "x-should-retry": "false" } }),
  ),
  builtIn(
    "usage-limit",
    "429 with the unified limits of a subscription.",
    { resetAtS: z.number().int().min(0).default(4_102_444_800) },
    (options) =>
      always({
        answer: "error",
        status: 429,
        message: "Usage limit reached",
        headers: {
          "retry-after": "3600",
          "anthropic-ratelimit-unified-status": "rejected",
          "anthropic-ratelimit-unified-reset": String(options.resetAtS),
          "anthropic-ratelimit-unified-representative-claim": "five_hour",
          "anthropic-ratelimit-unified-5h-status": "rejected",
          "anthropic-ratelimit-unified-5h-reset": String(options.resetAtS),
          "anthropic-ratelimit-unified-5h-utilization": "1.0",
        },
      }),
  ),
  builtIn(
    "usage-warning",
    "Text, with the unified limits of a subscription that is nearly used up.",
    { resetAtS: z.number().int().min(0).default(4_102_444_800) },
    (options) =>
      always(
        text("There is not much left.", {
          headers: {
            "anthropic-ratelimit-unified-status": "allowed_warning",
            "anthropic-ratelimit-unified-reset": String(options.resetAtS),
            "anthropic-ratelimit-unified-representative-claim": "five_hour",
            "anthropic-ratelimit-unified-5h-status": "allowed_warning",
            "anthropic-ratelimit-unified-5h-reset": String(options.resetAtS),
            "anthropic-ratelimit-unified-5h-utilization": "0.92",
          },
        }),
      ),
  ),
  builtIn(
    "retry-then-answer",
    "So many failures with a status, then text.",
    {
      times: z.number().int().min(1).default(1),
      status: z.number().int().min(400).max(599).default(500),
      text: z.string().default("It worked in the end."),
    },
    (options) => ({
      steps: [
        {
          play: text(options.text),
          failsFirst: { times: options.times, play: { answer: "error", status: options.status } },
        },
      ],
    }),
  ),
  builtIn("silence", "The request is taken and never answered.", {}, () => always({ answer: "silence" })),
  builtIn("stall", "Text that stops in the middle; the connection stays.", {}, () =>
    broken({ how: "stall", afterDeltas: 2 }),
  ),
  builtIn(
    "pings",
    "Text that stops in the middle, then only pings.",
    { pingIntervalMs: z.number().min(1).default(1_000) },
    (options) => broken({ how: "pings", afterDeltas: 2, pingIntervalMs: options.pingIntervalMs }),
  ),
  builtIn("drop", "The connection is reset before any header.", {}, () => always({ answer: "drop", how: "reset" })),
  builtIn("drop-close", "The connection is closed before any header.", {}, () =>
    always({ answer: "drop", how: "close" }),
  ),
  builtIn(
    "stream-reset",
    "The connection is reset in mid-text, every time; a request that does not stream is answered.",
    {},
    () => broken({ how: "reset" }),
  ),
  builtIn("stream-reset-once", "The connection is reset in mid-text, once; then text.", {}, () => ({
    steps: [
      {
        play: text("It worked in the end."),
        failsFirst: { times: 1, play: text(brokenText, { breaks: { how: "reset" } }) },
      },
    ],
  })),
  builtIn(
    "stream-reset-then-error",
    "The connection is reset in mid-text, and not streaming does not help either.",
    {},
    () => broken({ how: "reset" }, { answer: "error", status: 529, message: "Overloaded" }),
  ),
  builtIn("stream-end", "The body ends in mid-text; a request that does not stream is answered.", {}, () =>
    broken({ how: "end" }),
  ),
  builtIn("stream-error", "An error event in mid-text; a request that does not stream is answered.", {}, () =>
    broken({ how: "error" }),
  ),
  builtIn("stream-error-then-error", "An error event in mid-text, and not streaming does not help either.", {}, () =>
    broken({ how: "error" }, { answer: "error", status: 529, message: "Overloaded" }),
  ),
  builtIn("stream-malformed", "An event in mid-text is no JSON; a request that does not stream is answered.", {}, () =>
    broken({ how: "malformed" }),
  ),
  builtIn("stream-garbage", "A line in mid-text belongs to no event; the text goes on.", {}, () =>
    broken({ how: "garbage" }),
  ),
  builtIn(
    "stream-cut-after-block",
    "A first block is complete, the second one breaks off; the next call goes on.",
    {},
    () => ({
      steps: [
        {
          play: message(
            [
              { type: "text", text: "The first block is whole. " },
              { type: "text", text: brokenText },
            ],
            { breaks: { how: "reset", afterBlocks: 1, afterDeltas: 2 } },
          ),
        },
        { play: text("And this is how it goes on.") },
      ],
    }),
  ),
  builtIn("empty", "200 without a body.", {}, () => always({ answer: "body", contentType: "text/event-stream" })),
  builtIn("html", "200 with a page of HTML.", {}, () =>
    always({ answer: "body", body: "<html><body>Please log in to this network.</body></html>" }),
  ),
];

const promptTooLong = {
  answer: "error",
  status: 400,
  message: "prompt is too long: 1200000 tokens > 1000000 maximum",
} as const;

function broken(
  breaks: Partial<Breakage> & Pick<Breakage, "how">,
  whenNotStreaming?: { answer: "error"; status: number; message: string },
): ScenarioInput {
  return {
    steps: [
      {
        play: text(brokenText, { breaks: { afterDeltas: 2, ...breaks } }),
        whenNotStreaming: whenNotStreaming ?? text(rescueText),
      },
    ],
  };
}
