/**
 * The programs of a run, as `npm run observability` has found or built them: their paths, by environment.
 */
import { join } from "node:path";

/** The variables under which the paths go from the run to its tests. */
export const variables = {
  jaeger: "OBSERVABILITY_JAEGER",
  prometheus: "OBSERVABILITY_PROMETHEUS",
  promtool: "OBSERVABILITY_PROMTOOL",
} as const;

export interface Programs {
  readonly jaeger: string;
  readonly prometheus: string;
  readonly promtool: string;
  readonly claudeRunner: string;
}

export function programs(): Programs {
  const path = (variable: string) => process.env[variable] ?? `${variable}-is-not-set`;
  return {
    jaeger: path(variables.jaeger),
    prometheus: path(variables.prometheus),
    promtool: path(variables.promtool),
    claudeRunner: join(import.meta.dirname, "../../bin/claude-runner.js"),
  };
}
