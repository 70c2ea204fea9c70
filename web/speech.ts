/**
 * What is read out of an answer while it comes: its paragraphs as they are complete, up to a length. Never single deltas:
 * those would be read one over the other. Pure.
 */

/** More of one answer than this is not read out by itself, in characters; it can be read in the page. */
const maxSpokenChars = 2_000;

/** The words for one turn. */
export class TurnSpeech {
  #spokenChars = 0;

  /** A paragraph is complete: what to say, or nothing. */
  paragraph(text: string): string | undefined {
    const words = text.trim();
    if (words === "" || this.#spokenChars > maxSpokenChars) return undefined;
    this.#spokenChars += words.length;
    if (this.#spokenChars <= maxSpokenChars) return words;
    const room = maxSpokenChars - (this.#spokenChars - words.length);
    return `${words.slice(0, room)} … The answer continues.`;
  }
}
