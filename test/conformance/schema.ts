/**
 * The conformance suite's own messages, out of the suite's schema file: nothing of it is copied here.
 *
 * `SCHEMA` names the file, a descriptor set that `run.ts` compiles from the pinned version's .proto files. The types
 * below are the part that the server under test reads or writes.
 */
import { readFileSync } from "node:fs";
import {
  createFileRegistry,
  type DescMessage,
  type DescService,
  type FileRegistry,
  fromBinary,
  type Message,
} from "@bufbuild/protobuf";
import { type Any, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

export interface Header {
  readonly name: string;
  readonly value: readonly string[];
}

/** The error that a test case wants to see. */
export interface WantedError {
  readonly code: number;
  readonly message?: string;
  readonly details: readonly Any[];
}

interface Definition {
  readonly responseHeaders: readonly Header[];
  readonly responseTrailers: readonly Header[];
  readonly responseDelayMs: number;
}

/** What to answer once. */
export interface OnceDefinition extends Definition {
  readonly response:
    | { readonly case: "responseData"; readonly value: Uint8Array }
    | { readonly case: "error"; readonly value: WantedError }
    | { readonly case: undefined; readonly value?: undefined };
}

/** What to answer in a stream. */
export interface StreamDefinition extends Definition {
  readonly responseData: readonly Uint8Array[];
  readonly error?: WantedError;
}

/** A request of any method. */
export type Request<D> = Message & { readonly responseDefinition?: D; readonly fullDuplex?: boolean };

/** How the server under test is to be started. */
export interface ServerRequest {
  readonly useTls: boolean;
  readonly clientTlsCert: Uint8Array;
  readonly messageReceiveLimit: number;
  readonly serverCreds?: { readonly cert: Uint8Array; readonly key: Uint8Array };
}

export class Schema {
  readonly registry: FileRegistry;

  constructor(path: string) {
    this.registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(path)));
  }

  message(name: string): DescMessage {
    return found(this.registry.getMessage(`connectrpc.conformance.v1.${name}`), name);
  }

  service(name: string): DescService {
    return found(this.registry.getService(`connectrpc.conformance.v1.${name}`), name);
  }
}

function found<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new Error(`the suite's schema has no ${name}`);
  return value;
}
