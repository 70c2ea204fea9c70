/**
 * Large JSON requests, read in threads of their own.
 *
 * Parsing text of megabytes takes longer than the event loop may be held up; what comes back is protobuf's own encoding,
 * in which text and data stand as they are.
 */
import { availableParallelism } from "node:os";
import { create, type DescFile, type DescMessage, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { Clock } from "../../clock.ts";
import { invalidRequest, maxViolations } from "../../service/in/rules.ts";
import { ThreadPool } from "../../threads/thread-pool.ts";
import type { RequestBounds } from "./bounds.ts";
import type { JsonTask, JsonTaskResult, JsonThreadSetUp } from "./json-thread.ts";

/** JSON of up to this size is read on the event loop: it takes less than a thread would, and a few milliseconds at most. */
export const maxJsonBytesOnLoop = 256 * 1024;

export interface JsonThreadsOptions {
  readonly files: readonly DescFile[];
  readonly allowUnknownFields: boolean;
  readonly maxRequestBytes: number;
  readonly clock: Clock;
}

export class JsonThreads {
  readonly #pool: ThreadPool<JsonTask, JsonTaskResult>;

  constructor({ files, allowUnknownFields, maxRequestBytes, clock }: JsonThreadsOptions) {
    // Two bytes a letter at worst, for the text and for its values, and what parsing needs beside them.
    let setUp: JsonThreadSetUp | undefined;
    const maxHeapMib = 64 + 8 * Math.ceil(maxRequestBytes / (1024 * 1024));
    this.#pool = new ThreadPool({
      module: new URL(import.meta.url.endsWith(".ts") ? "./json-thread.ts" : "./json-thread.js", import.meta.url),
      // Made when there is need, and once: it takes some milliseconds.
      setUp: () => {
        setUp ??= { files: fileSet(files), allowUnknownFields, maxViolations };
        return setUp;
      },
      maxThreads: Math.max(1, Math.min(2, availableParallelism() - 1)),
      maxWaiting: 32,
      taskTimeoutMs: 20_000,
      idleMs: 30_000,
      maxHeapMib,
      clock,
    });
  }

  /** The message in protobuf's own encoding. `bytes` are gone afterwards. */
  async read(
    { typeName }: DescMessage,
    bytes: Uint8Array,
    bounds: RequestBounds,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const task: JsonTask = { typeName, bytes, bounds };
    const transfer = [bytes.buffer as ArrayBuffer];
    const result = await this.#pool.run(task, { what: "a large JSON request", signal, transfer });
    if ("violations" in result) throw invalidRequest(result.violations);
    return result.bytes;
  }

  stop(): Promise<void> {
    return this.#pool.stop();
  }
}

/** Files and everything that they import, each behind its imports. */
function fileSet(files: readonly DescFile[]): Uint8Array {
  const sorted = new Set<DescFile>();
  const add = (file: DescFile) => {
    if (sorted.has(file)) return;
    for (const dependency of file.dependencies) add(dependency);
    sorted.add(file);
  };
  for (const file of files) add(file);
  return toBinary(
    FileDescriptorSetSchema,
    create(FileDescriptorSetSchema, { file: [...sorted].map(({ proto }) => proto) }),
  );
}
