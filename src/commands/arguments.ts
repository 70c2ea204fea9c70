/**
 * Checks of what stands behind an option, alike for every command.
 */
import { InvalidArgumentError } from "commander";
import { isCollectorBase } from "../config/setting-parts.ts";

export function portArgument(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) throw new InvalidArgumentError("Must be a whole number from 0 to 65,535.");
  return port;
}

/** How many of a list are asked for. */
export function countArgument(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || count > 1_000_000) {
    throw new InvalidArgumentError("Must be a whole number from 1 to 1,000,000.");
  }
  return count;
}

/** One `key=value`, added to those before it. */
export function labelArgument(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("Must be key=value.");
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

export function secondsArgument(text: string): number {
  const seconds = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || seconds <= 0) throw new InvalidArgumentError("Must be a number of seconds.");
  return seconds;
}

export function collectorArgument(text: string): string {
  if (!isCollectorBase(text)) {
    throw new InvalidArgumentError("Must be a collector's base address, such as http://127.0.0.1:4318.");
  }
  return text;
}
