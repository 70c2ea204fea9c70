/**
 * What a negative test is: something that a server must not be hurt by, tried on a running one.
 *
 * The lists in `groups/` are tests (`attacks.process.test.ts`) and the table of docs/security.md (`table.ts`) at once, so
 * that a row of the table cannot stand without its test.
 */
import type { Lab } from "./lab.ts";

export interface Attack {
  /** What is sent, in a few words. */
  readonly tries: string;
  /** What must happen then. */
  readonly expects: string;
  /** The port that it is for, where the same is tried on each. */
  readonly port?: Port;
  /** Sends it, and throws unless the server did what is expected. Afterwards the server is asked whether it is well. */
  readonly run: (lab: Lab) => Promise<void>;
}

export interface AttackGroup {
  readonly title: string;
  /** Below `groups/`, where its attacks stand. */
  readonly file: string;
  readonly attacks: readonly Attack[];
}

/** The name of an attack's test, and its key in what a run reports. */
export function testName({ tries, expects, port }: Pick<Attack, "tries" | "expects" | "port">): string {
  return `${tries}${port === undefined ? "" : ` (${port} port)`}: ${expects}`;
}

/** The two ports that callers reach. Most attacks are tried on both. */
export const bothPorts = ["grpc", "web"] as const;
export type Port = (typeof bothPorts)[number];

/** The same attack on each port. */
export function onBothPorts(make: (port: Port) => Attack): Attack[] {
  return bothPorts.map((port) => ({ ...make(port), port }));
}
