/**
 * Model and effort of a running process: set without a trace in the conversation, and checked.
 *
 * By `apply_flag_settings` and never `set_model`, which makes a hidden paid call. Both members are always given in full:
 * null would go to the account's default, not back to the launch's.
 */
import { RunnerError } from "../../runner-error.ts";
import type { ModelSettings } from "../../turn.ts";
import type { RequestOptions } from "../protocol/control.ts";
import { type JsonObject, objectAt, textAt } from "../protocol/json-members.ts";

/** What the CLI says is in force. `effort` is empty for a model that has none. */
export interface AppliedSettings {
  readonly model: string;
  readonly effort: string;
}

export type Ask = (
  request: { readonly subtype: string; readonly [key: string]: unknown },
  options?: RequestOptions,
) => Promise<JsonObject>;

/** Also the cheapest question there is: it is what shows that a process answers. */
export async function readSettings(ask: Ask, options: RequestOptions = {}): Promise<AppliedSettings> {
  const applied = objectAt(await ask({ subtype: "get_settings" }, options), "applied");
  return { model: textAt(applied, "model"), effort: textAt(applied, "effort") };
}

/** Throws NOT_SUPPORTED_BY_CLI when the settings do not hold. `modelAlso` is another name that means the model. */
export async function applySettings(
  ask: Ask,
  wanted: ModelSettings,
  modelAlso: string | undefined,
  options: RequestOptions = {},
): Promise<void> {
  const settings = { model: wanted.model, effortLevel: wanted.effort };
  await ask({ subtype: "apply_flag_settings", settings }, options);
  const applied = await readSettings(ask, options);
  if (applied.model !== wanted.model && applied.model !== modelAlso) {
    throw new RunnerError("NOT_SUPPORTED_BY_CLI", `Claude Code does not accept the model ${wanted.model}`, {
      facts: { model: wanted.model, appliedModel: applied.model },
    });
  }
  if (applied.effort !== "" && applied.effort !== wanted.effort) {
    throw new RunnerError("NOT_SUPPORTED_BY_CLI", `the model does not accept the effort ${wanted.effort}`, {
      facts: { model: wanted.model, effort: wanted.effort, appliedEffort: applied.effort },
    });
  }
}
