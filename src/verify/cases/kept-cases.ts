/**
 * Cases about conversations that a worker keeps: what it sends then has to be what it sends when it is handed the same
 * conversation, and whatever keeps the two from being the same must not be kept.
 */
import { mayBeKept } from "../../conversations/stays.ts";
import type { ContentBlock, HistoryMessage, ModelSettings } from "../../turn.ts";
import type { CaseGroup, ResetCase } from "../case.ts";
import { type Difference, firstDifference, type SentRequest } from "../compare.ts";
import { models } from "../lanes.ts";
import type { Lease, LeaseTurn } from "../lease.ts";
import { pdf, picture } from "../prompt-media.ts";

type Compare = (seeded: readonly SentRequest[], kept: readonly SentRequest[]) => Difference | undefined;

/** A turn whose content is known, so that it can be handed over. */
type SaidTurn = LeaseTurn & { readonly content: readonly ContentBlock[] };

const said = (text: string, more: LeaseTurn = {}): SaidTurn => ({ ...more, content: [{ kind: "text", text }] });
const texts = (...all: readonly string[]): LeaseTurn["scenario"] => ({
  steps: [{ play: { answer: "message", blocks: all.map((text) => ({ type: "text", text })) } }],
});

/** Turns that each go on where the one before ended; what is handed over for them. */
async function converse(lease: Lease, turns: readonly SaidTurn[]): Promise<readonly HistoryMessage[]> {
  const history: HistoryMessage[] = [];
  for (const turn of turns) {
    const { end } = await lease.turn(turn);
    lease.expect(mayBeKept(end), "a turn was not one that a worker may keep");
    history.push({ role: "user", content: turn.content }, { role: "assistant", texts: end.answerBlocks });
  }
  return history;
}

/** What a worker sends that has forgotten everything and is set and handed the conversation, as for a session's turn. */
async function seeded(
  lease: Lease,
  history: readonly HistoryMessage[],
  next: SaidTurn,
): Promise<readonly SentRequest[]> {
  await lease.configure(next.settings ?? {});
  await lease.seed(history);
  return (await lease.turn(next)).requests;
}

const keeps = (
  name: string,
  turns: (lease: Lease) => readonly SaidTurn[],
  more: { readonly compare?: Compare; readonly seededCount?: number } = {},
): ResetCase => ({
  name: `a kept conversation: ${name}`,
  lane: "plain",
  reset: "clean",
  needs: "seeding",
  leaseCount: 1,
  inWalk: false,
  async play(lease) {
    const { compare = firstDifference, seededCount = 0 } = more;
    const all = turns(lease);
    const history = [...(await converse(lease, all.slice(0, seededCount)))];
    if (history.length > 0) {
      if (!(await lease.reset())) return;
      await lease.seed(history);
    }
    history.push(...(await converse(lease, all.slice(seededCount))));
    const next = said(`And then, ${lease.secret}?`);
    const kept = (await lease.turn(next)).requests;
    // That a worker which was reset is as good as a fresh one is what all the other cases are about.
    if (!(await lease.reset())) return;
    const fresh = await seeded(lease, history, next);
    const difference = compare(fresh, kept);
    lease.insist(difference === undefined, `kept and seeded are not the same: ${JSON.stringify(difference)}`);
  },
});

/** A kept conversation that the next turn does not go on with on its worker: it is forgotten, set, handed over anew. */
const beginsAnew = (
  name: string,
  settings: Partial<ModelSettings>,
  before: (lease: Lease) => Promise<unknown> = async () => undefined,
): ResetCase => ({
  name: `after a kept conversation: ${name}`,
  lane: "plain",
  reset: "clean",
  needs: "seeding",
  leaseCount: 1,
  inWalk: false,
  async play(lease) {
    const history = await converse(lease, [said(`One, ${lease.secret}`), said(`Two, ${lease.secret}`)]);
    await before(lease);
    if (!(await lease.reset())) return;
    const next = said(`And then, ${lease.secret}?`, { settings });
    const own = await seeded(lease, history, next);
    const fresh = await lease.onFreshWorker((other) => seeded(other, history, next));
    const difference = firstDifference(fresh, own);
    lease.insist(difference === undefined, `the request is not a fresh worker's: ${JSON.stringify(difference)}`);
  },
});

const isNotKept = (name: string, lane: ResetCase["lane"], scenario?: LeaseTurn["scenario"]): ResetCase => ({
  name: `not to be kept: ${name}`,
  lane,
  reset: "mayEnd",
  leaseCount: 1,
  inWalk: false,
  async play(lease) {
    const { end } = await lease.turn({ ...(scenario !== undefined && { scenario }) });
    lease.insist(!mayBeKept(end), "a worker would keep what no history hands over");
  },
});

/** Compares the words: a kept conversation also has the thinking that led to them, and a seeded one must not. */
const sameWords: Compare = (fresh, kept) => {
  const wordsOf = (requests: readonly SentRequest[]) => requests.map(withoutThinking);
  const [seededThinks, keptThinks] = [fresh, kept].map((requests) => requests.some(hasThinking));
  if (seededThinks || !keptThinks) {
    return { where: "thinking of earlier turns", fresh: String(seededThinks), reused: String(keptThinks) };
  }
  return firstDifference(wordsOf(fresh), wordsOf(kept));
};

interface Body {
  readonly messages: readonly { readonly content: string | readonly { readonly type: string }[] }[];
}

const thinks = ({ type }: { readonly type: string }) => type === "thinking" || type === "redacted_thinking";

function hasThinking({ bodyText }: SentRequest): boolean {
  const { messages } = JSON.parse(bodyText) as Body;
  return messages.some(({ content }) => typeof content !== "string" && content.some(thinks));
}

function withoutThinking({ headers, bodyText, ...request }: SentRequest): SentRequest {
  const body = JSON.parse(bodyText) as Body;
  const messages = body.messages.map((message) => ({
    ...message,
    ...(typeof message.content !== "string" && { content: message.content.filter((block) => !thinks(block)) }),
  }));
  // It is as long as it is.
  const { "content-length": _length, ...others } = headers;
  return { ...request, headers: others, bodyText: JSON.stringify({ ...body, messages }) };
}

export const keptConversations: CaseGroup = {
  name: "Conversations that are kept",
  cases: [
    keeps("answers of one text", ({ secret }) => [said(`One, ${secret}`), said(`Two, ${secret}`), said("/clear")]),
    keeps("answers of several texts, some blank", ({ secret }) => [
      said(`One, ${secret}`, { scenario: texts("First. ", "Second.") }),
      said("Two", { scenario: texts("\n\nThird. \n", "  \n", "Fourth.") }),
    ]),
    keeps("prompts of several texts", ({ secret }) => [
      { content: [`One, ${secret}`, "  Two \n"].map((text) => ({ kind: "text", text })) },
    ]),
    keeps("a picture and a PDF in earlier turns", ({ secret }) => [
      {
        content: [
          { kind: "text", text: `What is this? ${secret}` },
          { kind: "image", mediaType: "image/png", data: picture },
        ],
      },
      {
        content: [
          { kind: "pdf", data: pdf, title: secret },
          { kind: "textDocument", text: `The secret is ${secret}.`, title: "Secrets" },
          { kind: "text", text: "Summarise them." },
        ],
      },
      { content: [{ kind: "image", mediaType: "image/png", data: picture }] },
    ]),
    keeps("an answer whose stream broke and was asked for again", ({ secret }) => [
      said(`One, ${secret}`, { scenario: "stream-reset-once" }),
      said("Two", { scenario: "stream-end" }),
    ]),
    keeps("twelve turns", ({ secret }) =>
      Array.from({ length: 12 }, (_none, at) => said(`Turn ${at} of ${secret}`, { scenario: texts(`Answer ${at}.`) })),
    ),
    keeps(
      "seeded up to its middle",
      ({ secret }) => ["One", "Two", "Three", "Four"].map((text) => said(`${text}, ${secret}`)),
      {
        seededCount: 2,
      },
    ),
    ...["thinking", "hidden-thinking", "redacted-thinking"].map((scenario) =>
      keeps(
        `the same words, and the ${scenario.replace("-", " ")} that led to them`,
        ({ secret }) => [said(`One, ${secret}`, { scenario }), said("Two", { scenario })],
        {
          compare: sameWords,
        },
      ),
    ),
    beginsAnew("another model", { model: models.other, effort: "low" }),
    beginsAnew("another effort", { effort: "high" }),
    beginsAnew("a turn that was cancelled", {}, (lease) =>
      lease.turn({ scenario: "slow-text", interruptAt: ({ kind }) => kind === "textDelta" }),
    ),
    isNotKept("an answer that was cut and went on", "plain", "max-tokens-once"),
    isNotKept("an answer that broke off behind a whole block and went on", "plain", "stream-cut-after-block"),
    isNotKept("an answer without words", "plain", texts()),
    isNotKept("an answer with citations", "plain", "citations"),
    isNotKept("a search of the model API's own", "plain", "web-search"),
    isNotKept("an answer that follows a schema", "schema"),
  ],
};
