/** Every built-in scenario by name, and the list for `--help` and the documentation. */
import { answers } from "./builtin/answers.ts";
import type { BuiltIn } from "./builtin/define.ts";
import { failures } from "./builtin/failures.ts";
import { tools } from "./builtin/tools.ts";

export const builtIns: ReadonlyMap<string, BuiltIn> = new Map(
  [...answers, ...tools, ...failures].map((builtIn) => [builtIn.name, builtIn]),
);

/** Name and one line of each built-in scenario, in the order of reading. */
export function listScenarios(): readonly { readonly name: string; readonly description: string }[] {
  return [...builtIns.values()].map(({ name, description }) => ({ name, description }));
}
