/**
 * Messages of the contract as the suite has them, and what calls came to.
 */
import { type DescMessage, fromJson, type JsonValue, type MessageShape, toJson } from "@bufbuild/protobuf";
import type { CallError } from "../../suite/protocol.ts";
import { callError } from "./answers.ts";

export function parsed<D extends DescMessage>(schema: D, value: object): MessageShape<D> {
  return fromJson(schema, value as JsonValue);
}

export function json<D extends DescMessage>(schema: D, message: MessageShape<D>): object {
  return toJson(schema, message) as object;
}

export async function answered<D extends DescMessage>(schema: D, call: Promise<MessageShape<D>>) {
  try {
    return { response: json(schema, await call) };
  } catch (error) {
    return { error: callError(error) };
  }
}

export async function failureOf(act: () => Promise<void>): Promise<{ readonly error?: CallError }> {
  try {
    await act();
    return {};
  } catch (error) {
    return { error: callError(error) };
  }
}
