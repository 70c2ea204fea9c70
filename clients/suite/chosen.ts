/**
 * The languages of a run, as `npm run clients` has found them testable: the names in CLIENTS.
 */
import { type Language, languages } from "./languages.ts";

export function chosenLanguages(): readonly Language[] {
  const names = (process.env.CLIENTS ?? "").split(",").filter((name) => name !== "");
  return names.map((name) => {
    const language = languages.find((each) => each.name === name);
    if (language === undefined) throw new Error(`CLIENTS names ${name}, and there is no such client`);
    return language;
  });
}
