/**
 * The rules of a system prompt that a caller asks for: of a turn, or of a session, whose later turns have it too.
 */
import type { ProfileSettings } from "../../config/profile-settings.ts";
import { systemPromptOf, systemPromptProblem } from "../../system-prompt.ts";
import { type Broken, isBlank } from "./content.ts";

export function checkSystemPrompt(
  asked: string | undefined,
  {
    profileName,
    profile,
    broken,
  }: { readonly profileName: string; readonly profile: ProfileSettings; readonly broken: Broken },
): void {
  if (asked === undefined) return;
  const isFixed = profile.systemPromptPolicy === "fixed";
  if (isFixed) broken("system_prompt", `the profile "${profileName}" has a fixed system prompt`);
  // What Claude Code reads for itself counts at the beginning of the whole; an empty one the proto's rules refuse.
  const words = isBlank(asked) || isFixed ? asked : systemPromptOf(profile, asked);
  const problem = asked === "" ? undefined : systemPromptProblem(words);
  if (problem !== undefined) broken("system_prompt", problem);
}
