/**
 * What is asked and answered: the same for every side of every comparison.
 */
import { settingsSchema } from "../src/config/settings.ts";

/** 195 characters of prompt. */
export const prompt = "Say in a few words what a warm pool is good for. ".repeat(4).trim();

const answer = "A warm pool keeps processes that have started already, so that nobody waits for a start. "
  .repeat(8)
  .trim();

/** 711 characters in 60 deltas, as fast as they are read. */
export const answerScenario = { name: "text", options: { text: answer, deltas: 12 } };

/** The same answer with thinking before it, for a prompt that begins with this. */
export const thinkingMark = `[[scenario thinking ${JSON.stringify({ text: answer, thinking: "The question is about pools. ".repeat(8).trim() })}]]`;

/** One shell command before an answer, for a prompt that begins with this. */
export const toolMark = `[[scenario bash ${JSON.stringify({ command: "echo a warm pool", text: answer })}]]`;

/** A profile with every default: what the sides without a server are launched with too. */
export const defaultProfile = settingsSchema.parse({}).profiles.default!;
