/**
 * What a profile's conversations depend on, as one short name: a session whose profile has another than at its last turn
 * goes on under the new settings, and its caller is told so. Pure.
 */
import { createHash } from "node:crypto";

/** The settings that decide what Claude is and may do. Limits, places, keys and times make no other conversation. */
export interface ConversationSettings {
  readonly model: string;
  readonly effort: string;
  readonly systemPrompt: string;
  readonly systemPromptPolicy: string;
  readonly tools: readonly string[];
  readonly allowedTools: readonly string[];
  readonly permissionMode: string;
  readonly workspace?: { readonly path: string; readonly access: string } | undefined;
  readonly isolation?: string | undefined;
}

export function profileDigest(settings: ConversationSettings): string {
  const { model, effort, systemPrompt, systemPromptPolicy, permissionMode, workspace, isolation } = settings;
  const parts = [
    model,
    effort,
    systemPrompt,
    systemPromptPolicy,
    // Their order means nothing.
    [...settings.tools].sort(),
    [...settings.allowedTools].sort(),
    permissionMode,
    workspace === undefined ? null : [workspace.path, workspace.access],
    isolation ?? null,
  ];
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 16);
}

/** By the name of a profile; empty for one that there is not. */
export function profileDigests(profiles: Readonly<Record<string, ConversationSettings>>): (profile: string) => string {
  const digests = new Map(Object.entries(profiles).map(([name, settings]) => [name, profileDigest(settings)]));
  return (profile) => digests.get(profile) ?? "";
}
