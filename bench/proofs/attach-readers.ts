/**
 * Ways to read a turn by AttachTurn, behind one small interface: grpc-js on the gRPC port, Connect and gRPC-Web by
 * connect-node on the web port, and server-sent events without a library, which says with Last-Event-ID how far it is.
 */
import { type IncomingMessage, request } from "node:http";
import { create, fromJson, type JsonValue } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";
import {
  AttachTurnRequestSchema,
  type AttachTurnResponse,
  AttachTurnResponseSchema,
  TurnService,
} from "../../gen/claude/runner/v1/turn_pb.ts";
import { serviceDefinition } from "../../src/server/grpc/grpc-listener.ts";

export interface AttachCall {
  readonly turnId: string;
  readonly afterSequence: number;
  readonly signal: AbortSignal;
}

/** One client on a connection of its own. */
export interface AttachReader extends Disposable {
  attach(call: AttachCall): AsyncIterable<AttachTurnResponse>;
}

export interface ReaderKind {
  readonly name: string;
  readonly port: "grpc" | "web";
  connect(port: number, token: string): AttachReader;
}

export const readerKinds: readonly ReaderKind[] = [
  { name: "gRPC by grpc-js", port: "grpc", connect: grpcJsReader },
  {
    name: "Connect",
    port: "web",
    connect: (port, token) =>
      connectReader(
        createConnectTransport({ baseUrl: baseUrlOf(port), httpVersion: "2", useBinaryFormat: true }),
        token,
      ),
  },
  {
    name: "gRPC-Web",
    port: "web",
    connect: (port, token) =>
      connectReader(createGrpcWebTransport({ baseUrl: baseUrlOf(port), httpVersion: "1.1" }), token),
  },
  { name: "server-sent events", port: "web", connect: eventReader },
];

const baseUrlOf = (port: number) => `http://127.0.0.1:${port}`;

function grpcJsReader(port: number, token: string): AttachReader {
  const client = new grpc.Client(`ipv4:127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.default_authority": "localhost",
  });
  const method = serviceDefinition(TurnService.methods).attachTurn;
  if (method === undefined) throw new Error("bug: there is no AttachTurn");
  return {
    async *attach({ turnId, afterSequence, signal }) {
      const metadata = new grpc.Metadata();
      metadata.set("authorization", `Bearer ${token}`);
      const call = client.makeServerStreamRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        create(AttachTurnRequestSchema, { turn: { case: "turnId", value: turnId }, afterSequence }),
        metadata,
      );
      const cancel = () => call.cancel();
      signal.addEventListener("abort", cancel, { once: true });
      try {
        for await (const message of call) yield message as AttachTurnResponse;
      } finally {
        signal.removeEventListener("abort", cancel);
        call.on("error", () => {}); // it is over
        call.cancel();
      }
    },
    [Symbol.dispose]: () => client.close(),
  };
}

function connectReader(transport: Transport, token: string): AttachReader {
  const client = createClient(TurnService, transport);
  return {
    attach: ({ turnId, afterSequence, signal }) =>
      client.attachTurn(
        { turn: { case: "turnId", value: turnId }, afterSequence },
        { signal, headers: { authorization: `Bearer ${token}` } },
      ),
    [Symbol.dispose]: () => {},
  };
}

function eventReader(port: number, token: string): AttachReader {
  return {
    async *attach({ turnId, afterSequence, signal }) {
      const answer = await post(port, { turnId }, signal, {
        authorization: `Bearer ${token}`,
        accept: "text/event-stream",
        "content-type": "application/json",
        ...(afterSequence > 0 && { "last-event-id": String(afterSequence) }),
      });
      for await (const { name, id, json } of serverSentEvents(answer)) {
        if (name === "error") throw new Error(`the stream failed: ${JSON.stringify(json)}`);
        const message = fromJson(AttachTurnResponseSchema, json);
        const said = message.message.case === "event" ? message.message.value.sequence : undefined;
        if (said !== undefined && id !== String(said)) throw new Error(`the event ${said} has the id ${id}`);
        yield message;
      }
    },
    [Symbol.dispose]: () => {},
  };
}

function post(
  port: number,
  body: object,
  signal: AbortSignal,
  headers: Readonly<Record<string, string>>,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const path = `/${TurnService.typeName}/${TurnService.method.attachTurn.name}`;
    const call = request(
      { host: "127.0.0.1", port, path, method: "POST", headers, agent: false, signal },
      async (answer) => {
        if (answer.statusCode === 200) return resolve(answer);
        const words = Buffer.concat(await Array.fromAsync(answer as AsyncIterable<Buffer>).catch(() => []));
        reject(new Error(`HTTP ${answer.statusCode}: ${words}`));
      },
    );
    call.on("error", reject);
    call.end(JSON.stringify(body));
  });
}

interface ServerSentEvent {
  readonly name: string;
  readonly id: string | undefined;
  readonly json: JsonValue;
}

/** Events that are whole; one that the connection broke in is none. Comments are skipped. */
async function* serverSentEvents(body: IncomingMessage): AsyncGenerator<ServerSentEvent> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of body as AsyncIterable<Buffer>) {
    const blocks = (rest + decoder.decode(chunk, { stream: true })).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const fields = new Map(
        block.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
      );
      const data = fields.get("data");
      if (data === undefined) continue;
      yield { name: fields.get("event") ?? "", id: fields.get("id"), json: JSON.parse(data) as JsonValue };
    }
  }
  // Node says the same of an answer without a length that ends well and of one whose connection broke at its end.
  if (!body.complete) throw new Error("the connection broke");
}
