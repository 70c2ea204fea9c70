/**
 * What the GenAI conventions want on spans and metrics alike.
 */
import type { Attributes } from "@opentelemetry/api";
import { attributeNames } from "./instruments.ts";

/** `model`: the one that was asked for. */
export function genAiAttributes(model: string): Attributes {
  return {
    [attributeNames.genAiOperation]: "chat",
    [attributeNames.genAiProvider]: "anthropic",
    [attributeNames.genAiRequestModel]: model,
  };
}
