/**
 * A collector on loopback that keeps what telemetry sends, as bytes: nothing here has to understand it.
 */
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";

export interface OtlpSink extends AsyncDisposable {
  readonly url: string;
  /** What was sent so far; strings of the protobuf messages are in it as they are. */
  received(signal: "traces" | "metrics"): string;
}

export async function openOtlpSink(): Promise<OtlpSink> {
  const kept: { readonly path: string; readonly text: string }[] = [];
  const server = createServer(async (request, response) => {
    const path = request.url ?? "";
    const text = await textOf(request).catch(() => undefined);
    if (text === undefined) return void response.writeHead(400).end();
    kept.push({ path, text });
    response.writeHead(200, { "content-type": "application/x-protobuf" }).end();
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received: (signal) =>
      kept
        .filter(({ path }) => path.endsWith(`/v1/${signal}`))
        .map(({ text }) => text)
        .join("\n"),
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  return (request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body).toString("utf8");
}
