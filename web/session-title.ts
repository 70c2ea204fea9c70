/**
 * What a conversation is called until a person gives it another title: the first words of its first prompt. Pure.
 */

const maxTitleChars = 60;
/** CreateSessionRequest.title, in bytes of UTF-8. */
const maxTitleBytes = 512;

export function titleOf(prompt: string): string {
  const words = prompt.trim().replace(/\s+/g, " ");
  const chars = [...words];
  if (chars.length <= maxTitleChars) return words;
  const cut = chars.slice(0, maxTitleChars).join("");
  const atWord = `${cut}${chars[maxTitleChars]}`.lastIndexOf(" ");
  // A word that is half the title is cut.
  return `${atWord > maxTitleChars / 2 ? cut.slice(0, atWord) : cut}…`;
}

/** What is wrong with a title that a person has written, in words; `undefined`: nothing. */
export function titleProblem(title: string): string | undefined {
  if (title.trim() === "") return "Write a title.";
  const bytes = new TextEncoder().encode(title).length;
  return bytes > maxTitleBytes ? `The title has ${bytes} bytes; ${maxTitleBytes} are allowed.` : undefined;
}

export const shownTitle = (title: string): string => (title.trim() === "" ? "Untitled" : title);
