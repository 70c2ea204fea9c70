/**
 * Turns of a gateway as the CLI writes them: what a model API sends, odd as it may be, and what the CLI of version 2.1.329
 * was measured to make of it. For properties of the answer.
 *
 * The CLI reports each frame as it is. A block that ends gives an `assistant` line first, unless it is blank; text in its
 * first frame is not read. A stream that breaks is abandoned from behind the last block that ended. It asks again after a
 * cut, at the output limit, and once when it finds nothing to show.
 */
import fc from "fast-check";

export interface GatewayTurn {
  readonly lines: readonly string[];
  /** The text of the answer by the rule; `undefined` where blocks are interleaved or a break is at no clear place. */
  readonly answer: string | undefined;
}

interface Block {
  readonly kind: "text" | "thinking" | "redacted_thinking" | "server_tool_use" | "brand_new";
  readonly firstFrame: string;
  readonly pieces: readonly string[];
  readonly citation: boolean;
  readonly ends: boolean;
}

type Ending = "end" | "cut" | "maxTokens" | "tool" | "notStreamed";

interface Call {
  readonly blocks: readonly Block[];
  readonly ending: Ending;
  readonly indexes: "counted" | "gaps" | "repeated" | "missing" | "negative" | "fractions";
  readonly isInterleaved: boolean;
  readonly stopReason: unknown;
  readonly usage: unknown;
  readonly isSameId: boolean;
}

/** Words, blanks, emoji, and halves of surrogate pairs, so that pairs are cut in two by the pieces. */
const unit = fc.constantFrom("a", "Z", " ", "\n", "ä", "😀", "\ud83d", "\ude00", "👩‍💻", "\u0000", "e\u0301");
const piece = fc.array(unit, { maxLength: 4 }).map((units) => units.join(""));

const block: fc.Arbitrary<Block> = fc.record({
  kind: fc.constantFrom("text", "text", "text", "thinking", "redacted_thinking", "server_tool_use", "brand_new"),
  firstFrame: fc.oneof({ weight: 5, arbitrary: fc.constant("") }, piece),
  pieces: fc.array(piece, { maxLength: 4 }),
  citation: fc.boolean(),
  ends: fc.oneof({ weight: 6, arbitrary: fc.constant(true) }, fc.boolean()),
});

const call: fc.Arbitrary<Call> = fc.record({
  blocks: fc.array(block, { maxLength: 4 }),
  ending: fc.constantFrom<Ending>("end", "end", "cut", "maxTokens", "tool", "notStreamed"),
  indexes: fc.constantFrom("counted", "counted", "gaps", "repeated", "missing", "negative", "fractions"),
  isInterleaved: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, fc.boolean()),
  stopReason: fc.constantFrom<unknown>("end_turn", "stop_sequence", "pause_turn", "length", "", null, 7, ["x"]),
  usage: fc.constantFrom<unknown>({ output_tokens: 5 }, { output_tokens: 5.25 }, { output_tokens: "5" }, null, [1], -1),
  isSameId: fc.boolean(),
});

export const gatewayTurns: fc.Arbitrary<GatewayTurn> = fc
  .array(call, { minLength: 1, maxLength: 5 })
  .map((calls) => played(calls));

function played(calls: readonly Call[]): GatewayTurn {
  const lines: object[] = [];
  let kept: string[] = [];
  let isKnown = true;
  let hasAskedAgain = false;
  for (const [at, each] of calls.entries()) {
    const id = each.isSameId ? "msg_same" : `msg_${at}`;
    const isInterleaved = each.isInterleaved && each.indexes === "counted" && each.blocks.length > 1;
    // What it keeps of a stream that broke is told by an index, which says nothing when they are no count.
    const saysNothing = each.ending === "cut" && each.indexes !== "counted" && each.indexes !== "gaps";
    if (isInterleaved || saysNothing) isKnown = false;
    const stream = streamed(each, id, isInterleaved);
    lines.push(...stream.lines);
    const isLast = at === calls.length - 1;
    const { visible, whole, all } = stream;
    switch (each.ending) {
      case "cut":
        kept.push(...(isLast ? whole : withoutLost({ ...stream, all: whole })));
        if (visible) lines.push(synthetic("Your response above was cut off mid-stream. Resume directly."));
        break;
      case "notStreamed": {
        // The frames made no sense: they were abandoned from the beginning on, and the answer comes whole.
        const texts = ["not ", "streamed"];
        for (const text of texts) lines.push(assistant(id, { type: "text", text }, "end_turn"));
        kept.push(...texts);
        break;
      }
      case "tool":
        lines.push({
          type: "user",
          message: { role: "user", content: [{ type: "tool_result", tool_use_id: `toolu_${at}`, content: "done" }] },
          parent_tool_use_id: null,
        });
        kept = [];
        break;
      case "maxTokens":
        lines.push(synthetic("Output token limit hit. Resume directly."));
        kept.push(...(isLast ? all : withoutLost(stream)));
        break;
      case "end":
        if (visible || isLast || hasAskedAgain) {
          kept.push(...all);
          return { lines: [...lines, result()].map((line) => JSON.stringify(line)), answer: answer(kept, isKnown) };
        }
        hasAskedAgain = true;
        lines.push(synthetic("[Your previous response had no visible output. Please continue.]"));
        kept.push(...withoutLost(stream));
        break;
      default:
        each.ending satisfies never;
    }
  }
  return { lines: [...lines, result()].map((line) => JSON.stringify(line)), answer: answer(kept, isKnown) };
}

const answer = (kept: readonly string[], isKnown: boolean) => (isKnown ? kept.join("") : undefined);

interface Streamed {
  readonly lines: readonly object[];
  /** The texts of its blocks, in order. */
  readonly all: readonly string[];
  /** Those up to the last block that ended. */
  readonly whole: readonly string[];
  /** How many of `all` there are up to the last one that the CLI has in its conversation. */
  readonly takenCount: number;
  /** Whether a block that ended has something to show. */
  readonly visible: boolean;
}

/** The CLI asks again without the text behind the last block that it has; what is blank is no text. */
function withoutLost({ all, takenCount }: Streamed): readonly string[] {
  const behind = all.slice(takenCount);
  const firstLost = behind.findIndex((text) => text.trim() !== "");
  return firstLost < 0 ? all : all.slice(0, takenCount + firstLost);
}

function streamed({ blocks, ending, indexes, stopReason, usage }: Call, id: string, isInterleaved: boolean): Streamed {
  const event = (body: object) => ({ type: "stream_event", event: body, parent_tool_use_id: null, api_message_id: id });
  const lines: object[] = [
    event({ type: "message_start", message: { id, model: "m", content: [], usage: { input_tokens: 3 } } }),
  ];
  const tracks: object[][] = [];
  const all: string[] = [];
  let [wholeCount, takenCount, lastEnded, visible] = [0, 0, -1, false];
  for (const [at, { kind, firstFrame, pieces, citation, ends: saysEnd }] of blocks.entries()) {
    const index = indexOf(at, indexes);
    const track: object[] = [];
    const isText = kind === "text";
    const isThinking = kind === "thinking";
    const first = isText ? { text: firstFrame } : isThinking ? { thinking: firstFrame, signature: "" } : { data: "d" };
    track.push(event({ type: "content_block_start", index, content_block: { type: kind, ...first } }));
    for (const text of isText || isThinking ? pieces : []) {
      const change = isText ? { type: "text_delta", text } : { type: "thinking_delta", thinking: text };
      track.push(event({ type: "content_block_delta", index, delta: change }));
    }
    if (isText && citation) {
      track.push(event({ type: "content_block_delta", index, delta: { type: "citations_delta", citation: { a: 1 } } }));
    }
    const written = pieces.join("");
    if (isText) all.push((firstFrame + written).toWellFormed());
    if (saysEnd) {
      const isBlank = isText && written.trim() === "";
      if (!isBlank) {
        const content = isText
          ? { type: kind, text: written }
          : isThinking
            ? { type: kind, thinking: written }
            : { type: kind };
        track.push(assistant(id, content, null));
        takenCount = all.length;
      }
      track.push(event({ type: "content_block_stop", index }));
      wholeCount = all.length;
      lastEnded = typeof index === "number" ? index : -1;
      visible ||= isText && !isBlank;
    }
    tracks.push(track);
  }
  lines.push(...(isInterleaved ? interleaved(tracks) : tracks.flat()));
  const from = ending === "notStreamed" ? 0 : lastEnded + 1;
  if (ending === "cut" || ending === "notStreamed") {
    lines.push({
      ...event({ type: "message_stop" }),
      abandoned_blocks: { api_message_id: id, from_block_index: from },
    });
  } else {
    if (ending === "tool") {
      const use = { type: "tool_use", id: `toolu_${id}`, name: "Bash", input: {} };
      lines.push(event({ type: "content_block_start", index: 99, content_block: use }), assistant(id, use, null));
      lines.push(event({ type: "content_block_stop", index: 99 }));
    }
    const reason = ending === "maxTokens" ? "max_tokens" : ending === "tool" ? "tool_use" : stopReason;
    lines.push(
      event({ type: "message_delta", delta: { stop_reason: reason }, usage }),
      event({ type: "message_stop" }),
    );
  }
  return { lines, all, whole: all.slice(0, wholeCount), takenCount, visible };
}

function indexOf(at: number, indexes: Call["indexes"]): unknown {
  switch (indexes) {
    case "counted":
      return at;
    case "gaps":
      return at * 4 + 3;
    case "repeated":
      return 0;
    case "missing":
      return undefined;
    case "negative":
      return -at - 1;
    case "fractions":
      return at + 0.5;
    default:
      return indexes satisfies never;
  }
}

/** One of each in turn, as long as there is any. */
function interleaved(tracks: readonly (readonly object[])[]): object[] {
  const longest = Math.max(...tracks.map((track) => track.length));
  return Array.from({ length: longest }, (_, at) => tracks.flatMap((track) => track.slice(at, at + 1))).flat();
}

function assistant(id: string, content: object, stopReason: string | null): object {
  const message = { id, model: "m", role: "assistant", content: [content], stop_reason: stopReason };
  return { type: "assistant", message, parent_tool_use_id: null, uuid: `${id}-${JSON.stringify(content)}` };
}

function synthetic(text: string): object {
  return {
    type: "user",
    message: { role: "user", content: [{ type: "text", text }] },
    isSynthetic: true,
    parent_tool_use_id: null,
  };
}

/** Its text is the last block of the last message, whatever came before: here nothing at all. */
function result(): object {
  return { type: "result", subtype: "success", is_error: false, result: "", stop_reason: "end_turn", num_turns: 1 };
}
