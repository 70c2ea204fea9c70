/**
 * Hands a conversation over to an idle process without model calls.
 *
 * A question is answered by an empty result, which has to be waited for: without it the CLI mixes up the order. An answer
 * is taken silently, and the next line may follow at once.
 */
import { randomUUID } from "node:crypto";
import type { ContentBlock, HistoryMessage } from "../../turn.ts";
import type { Line } from "../process/line-pieces.ts";
import type { CliMessage } from "../protocol/cli-messages.ts";
import { seededAnswerLine, seededQuestionLine } from "../protocol/user-line.ts";

export interface SeedingHost {
  write(line: Line): Promise<void>;
  /** The first message that fits; to be called before what it answers is written. Rejects when it is late by so many spans. */
  expect(fits: (message: CliMessage) => boolean, times: number): Promise<CliMessage>;
  /** A message becomes part of the conversation. Called before it is written. */
  willAdd(role: HistoryMessage["role"], uuid: string): void;
}

/** Aborting takes effect between messages: what was begun is finished, so that the process can still be reset. */
export async function seedHistory(
  host: SeedingHost,
  history: readonly HistoryMessage[],
  signal?: AbortSignal,
): Promise<void> {
  for (const message of history) {
    signal?.throwIfAborted();
    const uuid = randomUUID();
    host.willAdd(message.role, uuid);
    if (message.role === "assistant") {
      await host.write(seededAnswerLine(uuid, message.texts));
      continue;
    }
    const taken = host.expect(
      ({ kind, body }) => kind === "result" && namesPrompt(body.user_message_uuids, uuid),
      allowance(message.content),
    );
    taken.catch(() => undefined); // Heard of below, unless the line cannot even be written.
    await host.write(seededQuestionLine(uuid, message.content));
    await taken;
  }
  signal?.throwIfAborted();
}

/** The CLI makes large pictures smaller when it takes them: seconds for each (measured). */
function allowance(content: readonly ContentBlock[]): number {
  return 1 + content.filter(({ kind }) => kind === "image").length;
}

function namesPrompt(uuids: unknown, uuid: string): boolean {
  return Array.isArray(uuids) && uuids.includes(uuid);
}
