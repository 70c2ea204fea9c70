/**
 * What a person is told when the server is up and cannot serve turns, since no key is there: one line, with what to do.
 */
import type { Settings } from "../config/settings.ts";
import type { Runner } from "../main.ts";

/** A line for each credential that profiles use and that is not there. */
export function missingKeyLines(
  { missingCredentials }: Pick<Runner, "missingCredentials">,
  { profiles }: Pick<Settings, "profiles">,
): readonly string[] {
  return missingCredentials.map(({ credential, why }) => {
    const users = Object.keys(profiles).filter((name) => profiles[name]?.credential === credential);
    const isAll = users.length === Object.keys(profiles).length;
    const what = isAll ? "no turn can be served" : `no turn of ${users.join(", ")} can be served`;
    return `${what}: ${why}; set it and start again, or see the server work without one: \`claude-runner demo\``;
  });
}
