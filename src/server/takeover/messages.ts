/**
 * What two servers say to each other at a takeover: a line of JSON each way in turn, and a descriptor with some.
 *
 * Servers of different versions meet here, so members are only ever added, and unknown ones are passed over.
 *
 *     new → old   claim       may I take over?
 *     old → new   granted     which ports it has; or: refused, and why
 *     new → old   send        a port's socket, please; once for each that the settings want
 *     old → new   socket      with the descriptor
 *     new → old   ready       it accepts calls. Closing the connection before this leaves everything as it was
 *     old → new   retired     it accepts no more, and finishes what it has
 */

import type { Socket } from "node:net";
import { z } from "zod";
import type { PortName } from "../connections/listener.ts";
import type { ListeningHandle, PassingSocket } from "./node-pipes.ts";

/** Raised when an old server could misunderstand a new one. */
export const takeoverProtocol = 1;

/** The longest line, in characters. */
const maxLineLength = 64 * 1024;

const portName = z.enum(["grpc", "web", "admin"]) satisfies z.ZodType<PortName>;
const pid = z.number().int();

const offeredPort = z.object({
  name: portName,
  /** As the settings name it. */
  host: z.string(),
  /** The address that this is. */
  address: z.string(),
  port: z.number().int(),
});
export type OfferedPort = z.output<typeof offeredPort>;

export const fromNew = z.discriminatedUnion("type", [
  z.object({ type: z.literal("claim"), protocol: z.number(), pid, version: z.string() }),
  z.object({ type: z.literal("send"), name: portName }),
  z.object({ type: z.literal("ready") }),
]);
export type FromNew = z.output<typeof fromNew>;

export const fromOld = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("granted"),
    pid,
    version: z.string(),
    generation: z.number().int(),
    ports: z.array(offeredPort),
  }),
  z.object({
    type: z.literal("refused"),
    pid,
    /** `busy`: to another server that is about to take over. `retired`: it has handed over already, to that one. */
    reason: z.enum(["busy", "retired", "stopping", "protocol"]),
    /** The process of the other server. */
    to: pid.optional(),
  }),
  z.object({ type: z.literal("socket"), name: portName }),
  z.object({ type: z.literal("retired") }),
]);
export type FromOld = z.output<typeof fromOld>;

/** One side of the talk. */
export class Talk<In, Out> {
  readonly #pipe: PassingSocket;
  readonly #schema: z.ZodType<In>;
  #text = "";

  /** `heard`: called for each message. `ended`: once, when there is nothing more to come. */
  constructor(
    pipe: PassingSocket,
    schema: z.ZodType<In>,
    heard: (message: In, handle: ListeningHandle | undefined) => void,
    ended: () => void,
  ) {
    this.#pipe = pipe;
    this.#schema = schema;
    pipe.socket.on("data", (chunk: unknown) => this.#read(String(chunk), heard));
    pipe.socket.on("error", () => {}); // it closes
    pipe.socket.once("end", () => pipe.socket.destroy());
    pipe.socket.once("close", ended);
    pipe.socket.resume();
  }

  say(message: Out, server?: Parameters<PassingSocket["send"]>[1]): void {
    if (!this.#pipe.socket.destroyed) this.#pipe.send(`${JSON.stringify(message)}\n`, server);
  }

  /** Ends it once what was said has left. */
  close(): void {
    const { socket } = this.#pipe as { socket: Socket };
    socket.end(() => socket.destroy());
  }

  #read(chunk: string, heard: (message: In, handle: ListeningHandle | undefined) => void): void {
    this.#text += chunk;
    if (this.#text.length > maxLineLength) {
      this.#pipe.socket.destroy();
      return;
    }
    const lines = this.#text.split("\n");
    this.#text = lines.pop() ?? "";
    for (const line of lines) {
      const message = this.#schema.safeParse(jsonOf(line));
      if (message.success) heard(message.data, this.#pipe.takeHandle());
      else this.#pipe.socket.destroy(); // whoever this is, it speaks something else
    }
  }
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
