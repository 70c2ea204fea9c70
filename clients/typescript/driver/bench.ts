/**
 * First text and events per second of this client, for the bench.
 */
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import type { BenchAnswer, BenchCommand } from "../../suite/protocol.ts";
import { StreamChatRequestSchema } from "../src/node.ts";
import { callError } from "./answers.ts";
import type { Connections } from "./connections.ts";

export async function bench(command: BenchCommand, connections: Connections): Promise<BenchAnswer> {
  const { client } = connections.to(command.target);
  const request = fromJson(StreamChatRequestSchema, command.request as JsonValue);
  const firstTextMs: number[] = [];
  const totalMs: number[] = [];
  const eventCounts: number[] = [];
  try {
    for (let turnNumber = 1 - command.warmUpCount; turnNumber <= command.turnCount; turnNumber += 1) {
      const startedMs = performance.now();
      let firstMs = Number.NaN;
      let eventCount = 0;
      for await (const { event } of client.stream(request)) {
        eventCount += 1;
        if (event.case === "textDelta" && Number.isNaN(firstMs)) firstMs = performance.now() - startedMs;
      }
      if (turnNumber < 1) continue;
      firstTextMs.push(firstMs);
      totalMs.push(performance.now() - startedMs);
      eventCounts.push(eventCount);
    }
  } catch (error) {
    return { firstTextMs, totalMs, eventCounts, error: callError(error) };
  }
  return { firstTextMs, totalMs, eventCounts };
}
