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
