/**
 * A profile with a built-in tool, in a workspace of its own: on a machine that is nobody else's.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Bench } from "./scenario.ts";

/** As an operator writes it. `extra`: further settings of it. */
export async function toolProfile({ folder }: Bench, name: string, extra: object = {}): Promise<object> {
  const path = join(folder, `workspace-${name}`);
  await mkdir(path, { recursive: true });
  return { tools: ["Bash"], workspace: { path }, isolation: "none", tenant: "bench", minSpares: 0, ...extra };
}
