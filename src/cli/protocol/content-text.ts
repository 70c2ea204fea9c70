/**
 * The text in the `content` of a message: a text, or blocks of which some have one.
 */
import type { Json } from "../../json-value.ts";
import { isObject, textAt } from "./json-members.ts";

export function contentText(content: Json | undefined): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content
    .filter(isObject)
    .map((block) => textAt(block, "text"))
    .join("\n");
}
