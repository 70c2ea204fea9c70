/**
 * The thread that reads large JSON requests: from text to protobuf's own encoding, which the server decodes without a
 * copy. Knows the served types by their descriptors alone, which it is given at its start.
 */
import { createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { Violation } from "../../runner-error.ts";
import { serveThread } from "../../threads/thread.ts";
import type { RequestBounds } from "./bounds.ts";
import { readJson } from "./json.ts";

export interface JsonThreadSetUp {
  /** A google.protobuf.FileDescriptorSet with every served type. */
  readonly files: Uint8Array;
  readonly allowUnknownFields: boolean;
  readonly maxViolations: number;
}

export interface JsonTask {
  readonly typeName: string;
  readonly bytes: Uint8Array;
  readonly bounds: RequestBounds;
}

export type JsonTaskResult = { readonly bytes: Uint8Array } | { readonly violations: readonly Violation[] };

serveThread<JsonThreadSetUp, JsonTask, JsonTaskResult>(({ files, allowUnknownFields, maxViolations }) => {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, files));
  return ({ typeName, bytes, bounds }) => {
    const desc = registry.getMessage(typeName);
    if (desc === undefined) throw new Error(`bug: the thread does not know ${typeName}`);
    const read = readJson(desc, bytes, bounds, { allowUnknownFields, maxViolations, registry });
    if ("violations" in read) return { output: read, transfer: [] };
    const binary = toBinary(desc, read.message);
    return { output: { bytes: binary }, transfer: [binary.buffer as ArrayBuffer] };
  };
});
