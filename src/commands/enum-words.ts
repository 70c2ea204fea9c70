/**
 * Values of the contract's enums in words for a person.
 */
import type { DescEnum } from "@bufbuild/protobuf";

/** The name of an enum's value in words; `undefined` where it is not set or not known to this program. */
export function wordsOf(desc: DescEnum, value: number): string | undefined {
  return value === 0 ? undefined : desc.value[value]?.localName.toLowerCase().replaceAll("_", " ");
}

/** The name of a value as the contract spells it, such as `QUEUE_FULL`; its number where this program does not know it. */
export function nameOf(desc: DescEnum, value: number): string {
  return desc.value[value]?.localName ?? String(value);
}
