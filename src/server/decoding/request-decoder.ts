/**
 * The bytes of a request as its message: the one way in for both ports.
 *
 * Looks before it makes: size, count and depth are bounded by the method before anything is decoded, and fields that the
 * type does not have are not kept.
 */
import { createRegistry, type DescMethod, fromBinary, type Message, type Registry } from "@bufbuild/protobuf";
import type { Clock } from "../../clock.ts";
import { RunnerError } from "../../runner-error.ts";
import type { ServedService } from "../../service/calls.ts";
import { invalidRequest, maxViolations } from "../../service/in/rules.ts";
import { boundsOf, type RequestBounds } from "./bounds.ts";
import { readJson } from "./json.ts";
import { JsonThreads, maxJsonBytesOnLoop } from "./json-threads.ts";
import { scanWire } from "./wire-scan.ts";

export interface RequestDecoderOptions {
  readonly services: readonly ServedService[];
  /** `calls.maxRequestBytes`. */
  readonly maxRequestBytes: number;
  /** `web.allowUnknownJsonFields`. */
  readonly allowUnknownJsonFields: boolean;
  readonly clock: Clock;
}

export class RequestDecoder {
  readonly #bounds: ReadonlyMap<DescMethod, RequestBounds>;
  readonly #registry: Registry;
  readonly #allowUnknownFields: boolean;
  readonly #threads: JsonThreads;

  constructor({ services, maxRequestBytes, allowUnknownJsonFields, clock }: RequestDecoderOptions) {
    this.#bounds = boundsOf(services, maxRequestBytes);
    // A google.protobuf.Any in JSON can hold what the services themselves know.
    this.#registry = createRegistry(...services.map(({ service }) => service.file));
    this.#allowUnknownFields = allowUnknownJsonFields;
    this.#threads = new JsonThreads({
      files: services.map(({ service }) => service.file),
      allowUnknownFields: allowUnknownJsonFields,
      maxRequestBytes,
      clock,
    });
  }

  /** The bounds of a served method's requests. */
  boundsOf(method: DescMethod): RequestBounds {
    const bounds = this.#bounds.get(method);
    if (bounds === undefined) throw new Error(`bug: the method ${method.name} is not served`);
    return bounds;
  }

  /** A message in protobuf's own encoding. Throws REQUEST_TOO_LARGE or INVALID_REQUEST. */
  binary({ input }: DescMethod, bytes: Uint8Array, bounds: RequestBounds): Message {
    scanWire(input, bytes, bounds);
    try {
      return fromBinary(input, bytes, { readUnknownFields: false });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new RunnerError("INVALID_REQUEST", `the request is not a message of its type: ${why}`, { cause: error });
    }
  }

  /**
   * A message in protobuf's JSON; `bytes` are gone afterwards. Rejects with REQUEST_TOO_LARGE or INVALID_REQUEST, which
   * names every fault.
   */
  async json(method: DescMethod, bytes: Uint8Array, bounds: RequestBounds, signal: AbortSignal): Promise<Message> {
    if (bytes.length > maxJsonBytesOnLoop) {
      return this.binary(method, await this.#threads.read(method.input, bytes, bounds, signal), bounds);
    }
    const read = readJson(method.input, bytes, bounds, {
      allowUnknownFields: this.#allowUnknownFields,
      registry: this.#registry,
      maxViolations,
    });
    if ("violations" in read) throw invalidRequest(read.violations);
    return read.message;
  }

  /** Ends the threads that read large requests. */
  stop(): Promise<void> {
    return this.#threads.stop();
  }
}
