/**
 * The server under test, started by the conformance suite: reads how it is to be, starts both ports, and tells the suite
 * where the one is that `PORT` names (`grpc` or `web`). Ends at SIGTERM.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type DescMessage, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { settingsSchema } from "../../src/config/settings.ts";
import { startServers } from "../../src/server/server.ts";
import { Schema, type ServerRequest } from "./schema.ts";
import { conformanceService } from "./service.ts";

const { SCHEMA: schemaPath = "", PORT: port } = process.env;
const schema = new Schema(schemaPath);
const request = await readRequest();

const folder = mkdtempSync(join(tmpdir(), "claude-runner-conformance-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
const save = (name: string, content: Uint8Array) => {
  writeFileSync(join(folder, name), content, { mode: 0o600 });
  return join(folder, name);
};
const { serverCreds, clientTlsCert, messageReceiveLimit } = request;
const tls = request.useTls &&
  serverCreds !== undefined && {
    certFile: save("cert.pem", serverCreds.cert),
    keyFile: save("key.pem", serverCreds.key),
    ...(clientTlsCert.length > 0 && { clientCaFile: save("client-ca.pem", clientTlsCert) }),
  };
const settings = settingsSchema.parse({
  grpc: { port: 0, ...(tls && { tls }) },
  web: { port: 0, ...(tls && { tls }) },
  calls: { ...(messageReceiveLimit > 0 && { maxRequestBytes: messageReceiveLimit }) },
});
const servers = await startServers({
  settings,
  services: [conformanceService(schema)],
  authenticate: () => {
    throw new Error("bug: the conformance service needs no token");
  },
  log: {
    info: () => {},
    warn: (...parts: unknown[]) => console.error(...parts),
    error: (...parts: unknown[]) => console.error(...parts),
  } as Parameters<typeof startServers>[0]["log"],
});
process.once("SIGTERM", () => void servers.stop({ drainTimeoutMs: 0 }).then(() => process.exit(0)));

const address = port === "web" ? servers.web : servers.grpc;
const answer = schema.message("ServerCompatResponse");
const init = { host: "127.0.0.1", port: address?.port, ...(serverCreds && tls && { pemCert: serverCreds.cert }) };
const bytes = toBinary(answer, create(answer, init as MessageInitShape<DescMessage>));
const size = Buffer.alloc(4);
size.writeUInt32BE(bytes.length);
process.stdout.write(Buffer.concat([size, bytes]));

/** One message with its size in front. */
async function readRequest(): Promise<ServerRequest> {
  let head = Buffer.alloc(0);
  for await (const chunk of process.stdin) {
    head = Buffer.concat([head, chunk as Buffer]);
    if (head.length >= 4 && head.length >= 4 + head.readUInt32BE(0)) break;
  }
  const message = fromBinary(schema.message("ServerCompatRequest"), head.subarray(4, 4 + head.readUInt32BE(0)));
  return message as unknown as ServerRequest;
}
