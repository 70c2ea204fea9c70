/**
 * Says what is behind: dependencies of the server and of every client, Claude Code, Node, the programs that tests build.
 * Needs the network, so it is no part of `npm run check`. Names of places as arguments choose some of them.
 *
 * Exit code 0: nothing is behind but what is kept back on purpose (`outdated/kept-back.ts`). 1: something is. 2: something
 * could not be looked at.
 */
import { fileURLToPath } from "node:url";
import { Unreachable } from "./outdated/ask.ts";
import { keptBack } from "./outdated/kept-back.ts";
import { places } from "./outdated/registries.ts";
import { exitCode, judge, type Row, render } from "./outdated/report.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !places.some((place) => place.name === name));
if (unknown.length > 0) {
  console.error(`no such place: ${unknown.join(", ")}; there are ${places.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}

const rows: Row[] = [];
const unreachable: string[] = [];
for (const { name, find } of places) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  try {
    const now = new Date();
    rows.push(...(await find(root)).map((found) => judge(found, keptBack, now)));
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    unreachable.push(`${name}: ${error.message}`);
  }
}
if (rows.length > 0) console.log(render(rows));
if (unreachable.length > 0)
  console.error(`\nNot looked at; this needs the network and the languages' tools:\n  ${unreachable.join("\n  ")}`);
process.exitCode = exitCode(rows, unreachable);
