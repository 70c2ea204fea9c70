/**
 * The version of the runtime that carries the calls.
 */
import { readFileSync } from "node:fs";

export function connectVersion(): string {
  const path = new URL("../../package.json", import.meta.resolve("@connectrpc/connect"));
  return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
}
