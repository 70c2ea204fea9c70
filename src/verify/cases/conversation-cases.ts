/**
 * Cases about what is handed over before a prompt, what looks like a command, and what a lease changes on its worker.
 */
import type { HistoryMessage } from "../../turn.ts";
import type { CaseGroup, ResetCase } from "../case.ts";
import { models } from "../lanes.ts";
import type { Lease } from "../lease.ts";
import { answered, said } from "../said.ts";

function history(lease: Lease, pairCount: number): HistoryMessage[] {
  return Array.from({ length: pairCount }, (_none, pair) => [
    said(`Question ${pair}: what is ${lease.secret}?`),
    answered(`Answer ${pair}: ${lease.secret} is a secret.`),
  ]).flat();
}

const seeded = (pairCount: number): ResetCase => ({
  name: `a history of ${pairCount} pairs, and a turn`,
  lane: "plain",
  reset: "clean",
  needs: "seeding",
  leaseCount: pairCount > 10 ? 1 : 2,
  async play(lease) {
    await lease.seed(history(lease, pairCount));
    const { requests } = await lease.turn();
    const isWhole = requests[0]?.bodyText.includes(`Answer ${pairCount - 1}: ${lease.secret}`) === true;
    lease.expect(isWhole, "the history did not reach the model API");
  },
});

/** `at`: the message of the history during whose handing over the caller goes; -1 for before all. */
const seedingCancelled = (name: string, at: number): ResetCase => ({
  name: `a history, and the caller goes ${name}`,
  lane: "plain",
  reset: "clean",
  needs: "seeding",
  async play(lease) {
    const caller = new AbortController();
    const gone = new Error("the caller has gone");
    if (at < 0) caller.abort(gone);
    const messages = history(lease, 3).map((message, index): HistoryMessage => {
      // Read when the message is due: the caller goes at exactly this point.
      const due = <B>(blocks: B): B => {
        if (index === at) caller.abort(gone);
        return blocks;
      };
      return message.role === "user"
        ? {
            role: "user",
            get content() {
              return due(message.content);
            },
          }
        : {
            role: "assistant",
            get texts() {
              return due(message.texts);
            },
          };
    });
    const error = await lease.seed(messages, caller.signal).catch((reason: unknown) => reason);
    lease.expect(error === gone, "the handing over was not broken off");
  },
});

/** The prompt has to reach the model as it is: no command runs, no file is read. */
const literal = (prompt: string): ResetCase => ({
  name: `the prompt ${JSON.stringify(prompt)}`,
  lane: "plain",
  reset: "clean",
  needs: "literalPrompts",
  async play(lease) {
    await lease.turn();
    const { requests } = await lease.turn({ prompt });
    const texts = requests.map(({ body }) => lastUserTexts(body));
    lease.insist(
      texts.length === 1 && texts[0]?.length === 1 && texts[0][0] === prompt,
      "the prompt did not reach the model as it was",
    );
  },
});

/** The texts of the last message that a user wrote in a body. */
function lastUserTexts(body: unknown): readonly string[] {
  const messages = (body as { messages?: readonly { role: string; content: unknown }[] } | undefined)?.messages ?? [];
  const content = messages.findLast(({ role }) => role === "user")?.content;
  if (typeof content === "string") return [content];
  return Array.isArray(content) ? content.map((block: { text?: unknown }) => String(block.text)) : [];
}

/** Only with tools: without them Claude Code is not to summarise. */
const summarising = { lane: "tools", reset: "mayEnd", inWalk: false } as const;

/** Whether the CLI asks for a summary of the conversation, by the words in which 2.1.300 and later do. */
function asksForSummary(bodyText: string): boolean {
  return bodyText.includes("Your task is to create a detailed summary");
}

export const conversations: CaseGroup = {
  name: "Histories, commands, settings",
  cases: [
    seeded(2),
    seeded(50),
    seedingCancelled("before the first message", -1),
    seedingCancelled("during the first question", 0),
    seedingCancelled("during the first answer", 1),
    seedingCancelled("during the second question", 2),
    seedingCancelled("during the last answer", 5),
    {
      name: "a history, and a turn that is cancelled",
      lane: "plain",
      reset: "clean",
      needs: "seeding",
      async play(lease) {
        await lease.seed(history(lease, 2));
        await lease.turn({ scenario: "slow-text", interruptAt: ({ kind }) => kind === "textDelta" });
      },
    },
    ...["/clear", "/model opus", "/compact", "/unknown x", "@/etc/hostname", "!ls", "#note this", "-p"].map(literal),
    {
      name: "another model and another effort",
      lane: "plain",
      reset: "clean",
      async play(lease) {
        const { requests } = await lease.turn({ settings: { model: models.other, effort: "low" } });
        const { model } = (requests[0]?.body ?? {}) as { model?: unknown };
        lease.expect(model === models.other, `the model was ${String(model)}`);
      },
    },
    {
      name: "another effort in the middle of a conversation",
      lane: "plain",
      reset: "clean",
      async play(lease) {
        await lease.turn();
        const { requests } = await lease.turn({ settings: { effort: "high" } });
        lease.expect(requests[0]?.bodyText.includes('"effort":"high"') === true, "the effort did not change");
      },
    },
    {
      name: "a conversation that Claude Code summarised",
      lane: "tools",
      reset: "mustEnd",
      inWalk: false,
      leaseCount: 1,
      async play(lease) {
        for (let turn = 1; turn <= 3; turn++) await lease.turn();
        // By its marker, since the request for the summary must get another answer.
        const { events } = await lease.turn({ prompt: `${lease.secret} [[scenario compaction]]` });
        lease.expect(
          events.some(({ kind }) => kind === "compacted"),
          "nothing was summarised",
        );
      },
    },
    {
      name: "cancelled while Claude Code summarises",
      ...summarising,
      async play(lease) {
        for (let turn = 1; turn <= 3; turn++) await lease.turn();
        await lease.turn({
          scenario: ({ bodyText }) => (asksForSummary(bodyText) ? "slow-text" : "prompt-too-long"),
          interruptAt: (event) => event.kind === "status" && event.activity === "compacting",
        });
      },
    },
    {
      name: "a conversation that is too long and cannot be summarised",
      ...summarising,
      async play(lease) {
        for (let turn = 1; turn <= 3; turn++) await lease.turn();
        const { requests } = await lease.turn({ scenario: "prompt-too-long", outcome: "upstreamError" });
        lease.expect(
          requests.some(({ bodyText }) => asksForSummary(bodyText)),
          "no summary was asked for",
        );
      },
    },
    {
      name: "a conversation without tools that is too long",
      lane: "plain",
      reset: "clean",
      async play(lease) {
        for (let turn = 1; turn <= 3; turn++) await lease.turn();
        const { requests } = await lease.turn({ scenario: "prompt-too-long", outcome: "upstreamError" });
        lease.insist(!requests.some(({ bodyText }) => asksForSummary(bodyText)), "a summary was asked for");
      },
    },
  ],
};
