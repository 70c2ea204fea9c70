/**
 * A server whose contract really has one kind of event more than this repository's: what clients of today will meet.
 *
 * A copy of the contract is changed and compiled; the copy's service runs behind our own adapters.
 */
import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { ClaudeRunner } from "../../gen/claude/runner/v1/runner_pb.ts";
import { repository } from "./languages.ts";
import type { Target } from "./protocol.ts";
import { notScripted, type Response, type ScriptedServer, serve } from "./scripted-server.ts";

export type FutureServer = ScriptedServer & { readonly target: Target };

/** The text and the number of unknown events of every turn. */
export const futureTurn = { text: "Known and known again.", unknownCount: 3 } as const;

const runnerProto = "claude/runner/v1/runner.proto";

export async function openFutureServer(): Promise<FutureServer> {
  const folder = await mkdtemp(join(tmpdir(), "runner-future-"));
  try {
    await cp(join(repository, "clients/proto"), folder, { recursive: true });
    const file = join(folder, runnerProto);
    await writeFile(file, withSparkle(await readFile(file, "utf8")));
    const image = join(folder, "image.binpb");
    await promisify(execFile)(join(repository, "node_modules/.bin/buf"), ["build", folder, "-o", image]);
    const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, await readFile(image)));
    const service = registry.getService(ClaudeRunner.typeName);
    if (service === undefined) throw new Error("the changed contract has no service");
    const handlers = { streamChat: sparklingTurn, chat: notScripted, getInfo: notScripted };
    return await serve([
      { service, handlers, isOpen: true, contentMethods: ["streamChat", "chat"], isEndedAtDrain: false },
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The contract with an event that does not exist yet. */
function withSparkle(proto: string): string {
  const anchor = "    UnknownEvent unknown = 99;\n";
  if (!proto.includes(anchor)) throw new Error(`${runnerProto} has no line ${anchor.trim()}`);
  return `${proto.replace(anchor, `${anchor}    Sparkle sparkle = 98;\n`)}\nmessage Sparkle {\n  string glitter = 1;\n}\n`;
}

async function* sparklingTurn(): AsyncGenerator<Response> {
  const [first, second] = ["Known and ", "known again."];
  const sparkle = { case: "sparkle", value: { glitter: "✨" } };
  const events = [
    { case: "started", value: { model: "claude-of-tomorrow" } },
    sparkle,
    { case: "textDelta", value: { text: first } },
    sparkle,
    { case: "textDelta", value: { text: second } },
    sparkle,
    { case: "result", value: { outcome: 1, text: futureTurn.text, lastSequence: 6 } },
  ];
  for (const [at, event] of events.entries()) {
    // The events are those of the changed contract, which TypeScript does not know.
    yield { sequence: at + 1, turnId: "0b5d0a43-97c1-4f7e-8d0a-0a8f4f3b9d11", event: event as Response["event"] };
  }
}
