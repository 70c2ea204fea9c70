/**
 * The settings of the process by which it is found out what a Claude Code program can do: the defaults of everything, and a
 * credential that opens nothing, for the place that stands for the model API.
 */
import type { CredentialSettings, ProfileSettings } from "./profile-settings.ts";
import { type Settings, settingsSchema } from "./settings.ts";

export interface ProbeSettings {
  readonly profiles: Readonly<Record<string, ProfileSettings>>;
  /** The name of its profile among them. */
  readonly profile: string;
  readonly credentials: Readonly<Record<string, CredentialSettings>>;
  /** Where its credential is looked up. */
  readonly env: Readonly<Record<string, string>>;
  readonly pool: Settings["pool"];
  readonly maxLineBytes: number;
  readonly maxTranscriptBytes: number;
  readonly eventBufferSize: number;
  readonly maxEventsPerTurn: number;
}

/** `baseUrl` is what stands for the model API. */
export function probeSettings(baseUrl: string): ProbeSettings {
  const { profiles, credentials, pool, cli, calls } = settingsSchema.parse({
    profiles: { probe: { credential: "probe" } },
    credentials: { probe: { baseUrl, apiKeyEnv: "PROBE_KEY" } },
  });
  return {
    profiles,
    profile: "probe",
    credentials,
    env: { PROBE_KEY: "opens-nothing-and-is-no-key" },
    pool,
    maxLineBytes: cli.maxLineBytes,
    maxTranscriptBytes: cli.maxTranscriptBytes,
    eventBufferSize: calls.eventBufferSize,
    maxEventsPerTurn: calls.maxEventsPerTurn,
  };
}
