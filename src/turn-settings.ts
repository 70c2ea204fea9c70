/**
 * What a turn's worker is set to: for life, and from turn to turn.
 */
export type Effort = "low" | "medium" | "high" | "xhigh" | "max";

/**
 * What a worker is fixed to for life by its first `initialize`. `undefined` means that the profile's launch settings
 * stand. All of it is in its key (`binding-key.ts`).
 */
export interface Binding {
  readonly systemPrompt?: string | undefined;
  readonly outputSchemaJson?: string | undefined;
}

/** What can be changed between turns. */
export interface ModelSettings {
  readonly model: string;
  readonly effort: Effort;
}
