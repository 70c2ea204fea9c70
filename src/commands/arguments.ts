/**
 * Checks of what stands behind an option, alike for every command.
 */
import { InvalidArgumentError } from "commander";

export function portArgument(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535)
    throw new InvalidArgumentError("Has to be a whole number from 0 to 65,535.");
  return port;
}

export function secondsArgument(text: string): number {
  const seconds = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || seconds <= 0) throw new InvalidArgumentError("Has to be a number of seconds.");
  return seconds;
}

export function httpUrlArgument(text: string): string {
  if (!/^https?:$/.test(URL.parse(text)?.protocol ?? "")) {
    throw new InvalidArgumentError("Has to be a URL, such as http://127.0.0.1:4318.");
  }
  return text;
}
