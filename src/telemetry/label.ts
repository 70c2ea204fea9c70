/**
 * How a word of a closed list is spelled as a label of a metric, on a span and in the log: in snake case, whatever it is
 * in the code or in the contract. `boundIdle` is `bound_idle`, `QUEUE_FULL` is `queue_full`.
 *
 * The one place that spells them. The exceptions are names that a convention fixes: the status codes of gRPC.
 */

/** Every turn has some dozens of them spelled, always the same. The lists are closed: this is more than they have. */
const maxSpelled = 1_000;
const spelled = new Map<string, string>();

type Snake<W extends string> = W extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${Snake<Rest>}`
  : "";

export type Label<W extends string> = W extends Uppercase<W> ? Lowercase<W> : Snake<W>;

export function label<W extends string>(word: W): Label<W>;
export function label(word: string): string {
  const known = spelled.get(word);
  if (known !== undefined) return known;
  const made =
    word === word.toUpperCase() ? word.toLowerCase() : word.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  if (spelled.size < maxSpelled) spelled.set(word, made);
  return made;
}
