/**
 * A collector of telemetry in a process of its own: takes what is sent, keeps nothing, and counts the turns whose spans of
 * Claude Code were in it, for each server.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type Commands, serveCommands } from "./child-commands.ts";

let server: Server | undefined;
/** By the first part of the path, which names the sender. */
const interactions = new Map<string, number>();

const commands = {
  async start(): Promise<{ readonly url: string }> {
    const opening = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const sender = request.url?.split("/")[1] ?? "";
        const found = Buffer.concat(chunks).toString("latin1").split("claude_code.interaction").length - 1;
        interactions.set(sender, (interactions.get(sender) ?? 0) + found);
        response.writeHead(200, { "content-type": "application/x-protobuf" }).end();
      });
    });
    server = opening;
    await new Promise<void>((resolve) => opening.listen(0, "127.0.0.1", resolve));
    return { url: `http://127.0.0.1:${(opening.address() as AddressInfo).port}` };
  },
  /** How many turns of a sender came with spans of Claude Code. */
  interactionCount(sender: string): number {
    return interactions.get(sender) ?? 0;
  },
} satisfies Commands;

export type CollectorCommands = typeof commands;

serveCommands(commands, () => {
  server?.close();
  server?.closeAllConnections();
});
