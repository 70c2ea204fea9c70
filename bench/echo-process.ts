/**
 * A bare HTTP/2 server that says "ok", in a process of its own: what an answer takes on a busy machine when the one who
 * answers has nothing else to do.
 */
import { createServer, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { type Commands, serveCommands } from "./child-commands.ts";

let server: Http2Server | undefined;

const commands = {
  async start(): Promise<{ readonly port: number }> {
    const opening = createServer().on("stream", (stream) => {
      stream.respond();
      stream.end("ok");
    });
    server = opening;
    await new Promise<void>((resolve) => opening.listen(0, "127.0.0.1", resolve));
    return { port: (opening.address() as AddressInfo).port };
  },
} satisfies Commands;

export type EchoCommands = typeof commands;

serveCommands(commands, () => void server?.close());
