/**
 * ConformanceService behind the adapters that serve ClaudeRunner: answers what a test case asks for, and tells what it
 * got to see.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import { type Code, ConnectError } from "@connectrpc/connect";
import type { CallContext, ServedService } from "../../src/service/calls.ts";
import type { Header, OnceDefinition, Request, Schema, StreamDefinition, WantedError } from "./schema.ts";

type Init = Record<string, unknown>;

export function conformanceService(schema: Schema): ServedService {
  const service = schema.service("ConformanceService");
  const seen = new Seen(schema);

  const once = async (requests: readonly Request<OnceDefinition>[], call: CallContext) => {
    const definition = requests[0]?.responseDefinition;
    announce(definition, call);
    await delay(definition?.responseDelayMs, call);
    if (definition?.response.case === "error") throw failure(definition.response.value, seen.asDetail(requests, call));
    return {
      payload: { data: definition?.response.value ?? new Uint8Array(), requestInfo: seen.whole(requests, call) },
    };
  };

  const handlers = {
    unary: (request: Request<OnceDefinition>, call: CallContext) => once([request], call),
    idempotentUnary: (request: Request<OnceDefinition>, call: CallContext) => once([request], call),
    clientStream: async (requests: AsyncIterable<Request<OnceDefinition>>, call: CallContext) =>
      once(await Array.fromAsync(requests), call),
    async *serverStream(request: Request<StreamDefinition>, call: CallContext) {
      const { responseDefinition: definition } = request;
      announce(definition, call);
      let sent = 0;
      for (const data of definition?.responseData ?? []) {
        await delay(definition?.responseDelayMs, call);
        yield { payload: { data, ...(sent === 0 && { requestInfo: seen.whole([request], call) }) } };
        sent += 1;
      }
      if (definition?.error) throw failure(definition.error, sent === 0 ? seen.asDetail([request], call) : undefined);
    },
    async *bidiStream(requests: AsyncIterable<Request<StreamDefinition>>, call: CallContext) {
      let definition: StreamDefinition | undefined;
      let isFirst = true;
      let unanswered: Request<StreamDefinition>[] = [];
      let sent = 0;
      for await (const request of requests) {
        unanswered.push(request);
        if (isFirst) {
          definition = request.responseDefinition;
          announce(definition, call);
        }
        isFirst = false;
        if (request.fullDuplex !== true && sent === 0) continue;
        const data = definition?.responseData[sent];
        if (data === undefined) break;
        await delay(definition?.responseDelayMs, call);
        const requestInfo = sent === 0 ? seen.whole(unanswered, call) : seen.requestsOnly(unanswered);
        yield { payload: { data, requestInfo } };
        sent += 1;
        unanswered = [];
      }
      for (; sent < (definition?.responseData.length ?? 0); sent += 1) {
        await delay(definition?.responseDelayMs, call);
        const data = definition?.responseData[sent];
        yield { payload: { data, ...(sent === 0 && { requestInfo: seen.whole(unanswered, call) }) } };
      }
      if (definition?.error) throw failure(definition.error, sent === 0 ? seen.asDetail(unanswered, call) : undefined);
    },
  };
  return {
    service,
    handlers: unimplementedWhereMissing(service.method, handlers),
    isOpen: true,
    contentMethods: Object.keys(service.method),
    isEndedAtDrain: false,
  };
}

/** The suite has one method that a server must not implement. */
function unimplementedWhereMissing(methods: Record<string, unknown>, handlers: Init): ServedService["handlers"] {
  const missing = Object.keys(methods).filter((name) => !(name in handlers));
  const refuse = async () => {
    throw new ConnectError("not implemented", 12 satisfies Code.Unimplemented);
  };
  return { ...handlers, ...Object.fromEntries(missing.map((name) => [name, refuse])) } as ServedService["handlers"];
}

/** What the server got to see of a call, in the suite's words. */
class Seen {
  readonly #schema: Schema;
  readonly #requestInfo: DescMessage;

  constructor(schema: Schema) {
    this.#schema = schema;
    this.#requestInfo = schema.message("ConformancePayload.RequestInfo");
  }

  whole(requests: readonly Request<unknown>[], { requestHeader, timeoutMs }: CallContext): Init {
    const leftMs = timeoutMs();
    return {
      ...this.requestsOnly(requests),
      requestHeaders: [...requestHeader].map(([name, value]) => ({ name, value: value.split(", ") })),
      ...(leftMs !== undefined && { timeoutMs: BigInt(Math.round(leftMs)) }),
    };
  }

  requestsOnly(requests: readonly Request<unknown>[]): Init {
    return { requests: requests.map((request) => anyPack(this.#schema.message(shortName(request)), request)) };
  }

  asDetail(requests: readonly Request<unknown>[], call: CallContext): Any {
    const init = this.whole(requests, call) as MessageInitShape<DescMessage>;
    return anyPack(this.#requestInfo, create(this.#requestInfo, init));
  }
}

const shortName = (message: { readonly $typeName: string }) => message.$typeName.split(".").at(-1)!;

function announce(definition: StreamDefinition | OnceDefinition | undefined, call: CallContext): void {
  addTo(call.responseHeader, definition?.responseHeaders);
  addTo(call.responseTrailer, definition?.responseTrailers);
}

function addTo(headers: Headers, wanted: readonly Header[] = []): void {
  for (const { name, value } of wanted) for (const one of value) headers.append(name, one);
}

async function delay(delayMs: number | undefined, { signal }: CallContext): Promise<void> {
  if (delayMs) await sleep(delayMs, undefined, { signal });
}

function failure({ code, message, details }: WantedError, seen: Any | undefined): ConnectError {
  const error = new ConnectError(message ?? "", code as Code);
  error.details = [...details, ...(seen === undefined ? [] : [seen])].map(({ typeUrl, value }) => ({
    type: typeUrl.split("/").at(-1)!,
    value,
  }));
  return error;
}
