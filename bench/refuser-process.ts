/**
 * A listener that refuses every call at once, in a process of its own: what a client of refused calls costs the machine
 * when the server has no part in it.
 */
import { createServer, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { type Commands, serveCommands } from "./child-commands.ts";

let server: Http2Server | undefined;

const commands = {
  async start(): Promise<{ readonly port: number }> {
    const opening = createServer().on("stream", (stream) => {
      stream.on("error", () => undefined);
      stream.resume();
      stream.respond(
        { ":status": 200, "content-type": "application/grpc+proto", "grpc-status": "14", "grpc-message": "full" },
        { endStream: true },
      );
    });
    server = opening;
    await new Promise<void>((resolve) => opening.listen(0, "127.0.0.1", resolve));
    return { port: (opening.address() as AddressInfo).port };
  },
} satisfies Commands;

export type RefuserCommands = typeof commands;

serveCommands(commands, () => void server?.close());
