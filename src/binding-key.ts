/**
 * What a worker is bound to as one short text: the same for two turns exactly when a worker that is bound for one serves
 * the other.
 */
import { createHash } from "node:crypto";
import type { Binding } from "./turn.ts";

export function bindingKey({ systemPrompt = null, outputSchemaJson = null }: Nullable<Binding>): string {
  // A member that is added to `Binding` and left out here would let turns share a worker that is not theirs.
  const parts = { systemPrompt, outputSchemaJson } satisfies Record<keyof Binding, string | null>;
  return createHash("sha256")
    .update(JSON.stringify(Object.values(parts)))
    .digest("base64url");
}

type Nullable<T> = { readonly [K in keyof T]: T[K] | null };
