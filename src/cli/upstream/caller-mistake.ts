/**
 * What is wrong with a caller's request, read out of the model API's words: numbers, and names out of closed lists.
 *
 * Nothing of the words themselves is passed on: they come from behind the boundary, and gateways put keys and addresses
 * into them.
 */
import type { RunnerError } from "../../runner-error.ts";

export interface CallerMistake {
  readonly text: string;
  /** Every number of the text. */
  readonly facts: RunnerError["facts"];
}

type Rule = readonly [form: RegExp, read: (match: RegExpExecArray) => CallerMistake];

const said =
  (text: string): Rule[1] =>
  () => ({ text, facts: {} });

const counted = (text: (count: string) => string, fact: string): Rule[1] => {
  return (match) => {
    const count = Number(match[1]?.replaceAll(",", ""));
    return Number.isFinite(count)
      ? { text: text(String(count)), facts: { [fact]: count } }
      : { text: text("the limit"), facts: {} };
  };
};

function tooManyTokens(tokens: string | undefined, limit: string | undefined): CallerMistake {
  const [tokenCount, tokenLimit] = [Number(tokens), Number(limit)];
  return { text: `it has about ${tokenCount} tokens, the limit is ${tokenLimit}`, facts: { tokenCount, tokenLimit } };
}

/** The first that fits says it. */
const rules: readonly Rule[] = [
  [/(\d{1,12}) tokens? \(limit (\d{1,12})\)/i, ([, tokens, limit]) => tooManyTokens(tokens, limit)],
  [/(\d{1,12}) tokens? > (\d{1,12})/i, ([, tokens, limit]) => tooManyTokens(tokens, limit)],
  [
    /context limit: (\d{1,12}) \+ (\d{1,12}) > (\d{1,12})/i,
    ([, input, output, limit]) => tooManyTokens(String(Number(input) + Number(output)), limit),
  ],
  [
    /\b(?:image|picture)s?\b.{0,200}\bdimensions?\b.{0,200}?(\d{3,6}) pixels/is,
    counted((n) => `a picture is larger than ${n} pixels on a side`, "pixelLimit"),
  ],
  [/\bimages?\b.{0,200}\bdimensions?\b/is, said("a picture has too many pixels on a side")],
  [
    /\bimages?\b.{0,200}\bexceeds?\b.{0,40}?(\d{1,4}) ?MB/is,
    counted((n) => `a picture is larger than ${n} MB`, "limitMb"),
  ],
  [/\btoo many images\b|\bimages?\b.{0,80}\bmaximum (?:number|of)\b/is, said("there are too many pictures")],
  [/\bimage\b.{0,200}\b(?:media[_ ]type|appears to be)\b/is, said("the type of a picture differs from its media type")],
  [
    /\bcould not process (?:the )?image\b|\bimage\b.{0,60}\b(?:invalid|corrupt|not valid|unsupported)/is,
    said("a picture cannot be read"),
  ],
  [/\b(\d{1,5}) PDF pages\b/i, counted((n) => `a PDF has more than ${n} pages`, "pageLimit")],
  [/\bPDF\b.{0,120}\bpassword/is, said("a PDF is protected by a password")],
  [
    /\bPDF\b.{0,120}\b(?:not valid|invalid|corrupt|unsupported|could not|cannot)|\b(?:could not|cannot) (?:process|read) (?:the )?PDF/is,
    said("a PDF cannot be read"),
  ],
  [/\binvalid base64\b/i, said("data is not valid base64")],
  [/\bmax_tokens\b/i, said("the answer must not be as long as was asked for")],
  [
    /\b(?:input_)?schema\b/i,
    (match) => ({ text: `the output schema is refused${keywordsIn(match.input)}`, facts: {} }),
  ],
  [
    /\b(?:must|should|has to|cannot) (?:be|have|contain)\b.{0,40}\b(?:non-empty|empty|non-whitespace)/is,
    said("a text is empty"),
  ],
  [/\bprefill/i, said("it ends with words of the assistant, which this model does not accept")],
];

const keywords =
  /\b(additionalProperties|patternProperties|unevaluatedProperties|minimum|maximum|exclusiveMinimum|exclusiveMaximum|minLength|maxLength|minItems|maxItems|uniqueItems|multipleOf|pattern|format|oneOf|anyOf|allOf|enum|const|required|properties|items)\b|\$(ref|defs)\b/g;

function keywordsIn(words: string): string {
  const named = [...new Set([...words.matchAll(keywords)].map(([word]) => `\`${word}\``))].slice(0, 5);
  return named.length === 0 ? "" : `; named are ${named.join(", ")}`;
}

/** Where in the request it is, in the model API's names: words and positions only. */
const place =
  /\b((?:messages|system|tools|thinking|output_config|output_format|max_tokens|temperature|stop_sequences|metadata)(?:\.(?:\d{1,5}|content|text|source|data|base64|media_type|image|document|tool_use|tool_result|input_schema|custom|schema|format|role|type|title|budget_tokens|cache_control))*)(?=:|\s|$)/;

/** `undefined` when the words say nothing that is known. */
export function callerMistake(words: string): CallerMistake | undefined {
  const text = words.slice(0, 4096);
  const where = place.exec(text)?.[1];
  for (const [form, read] of rules) {
    const match = form.exec(text);
    if (match === null) continue;
    const mistake = read(match);
    return where?.includes(".") ? { ...mistake, text: `${mistake.text} (at ${where})` } : mistake;
  }
  return where === undefined ? undefined : { text: `something is wrong at \`${where}\``, facts: {} };
}
