/**
 * What a behaviour is, and what its assertions are made of.
 */
import type { Outcome } from "../../gen/claude/runner/v1/result_pb.ts";
import { OutcomeSchema } from "../../gen/claude/runner/v1/result_pb.ts";
import type { ClientUnderTest } from "./client.ts";
import type { Lab } from "./lab.ts";
import type { CallError } from "./protocol.ts";

export interface Behaviour {
  /** A sentence about every client; its row in the table of docs/clients.md. */
  readonly title: string;
  /** Whether the server of this build has what it takes. Absent: it has. */
  readonly isServed?: (lab: Lab) => Promise<boolean>;
  /** Throws when the client does not behave so. */
  readonly holds: (client: ClientUnderTest, lab: Lab) => Promise<void>;
}

/** A prompt that the stand-in answers by a scenario. */
export function scenario(name: string, options: object = {}): string {
  return `[[scenario ${name} ${JSON.stringify(options)}]]`;
}

/** A result as drivers tell it: protobuf JSON. */
export interface ResultJson {
  readonly outcome?: string;
  readonly text?: string;
  readonly usage?: Readonly<Record<string, string | number>>;
  readonly costUsdMicros?: string;
  readonly stages?: Readonly<Record<string, string>>;
}

export function resultOf(answer: { readonly result?: object }): ResultJson {
  if (answer.result === undefined) throw new Error(`there is no result: ${JSON.stringify(answer).slice(0, 500)}`);
  return answer.result;
}

/** As protobuf JSON writes it. */
export function outcomeName(outcome: Outcome): string {
  const name = OutcomeSchema.values.find(({ number }) => number === outcome)?.name;
  if (name === undefined) throw new Error(`no outcome ${outcome}`);
  return name;
}

export function errorOf(answer: { readonly error?: CallError }): CallError {
  if (answer.error === undefined) throw new Error(`the call should fail: ${JSON.stringify(answer).slice(0, 500)}`);
  return answer.error;
}

/** Fails with the error in the message where a call should have gone well. */
export function expectWell(answer: { readonly error?: CallError }): void {
  if (answer.error !== undefined) throw new Error(`the call failed: ${JSON.stringify(answer.error)}`);
}
