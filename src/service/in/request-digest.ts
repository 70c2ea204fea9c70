/**
 * What a request asks for, as a digest: the same for two calls exactly when one may stand for the other.
 *
 * SHA-256 over the fields that are set, in the order of their numbers, each with its number and its length; entries of
 * maps in the order of their keys. Without what only says how the turn is delivered. StreamChat and Chat have the same
 * numbers, so they lead to the same digest. Large values are taken in pieces, between which others have their turn.
 */
import { createHash, type Hash } from "node:crypto";
import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import {
  type ChatRequest,
  ChatRequestSchema,
  SessionRefSchema,
  type StreamChatRequest,
  StreamChatRequestSchema,
} from "../../../gen/claude/runner/v1/runner_pb.ts";

/** How a turn is delivered is no part of what it is. */
const delivery = new Set(["request_id", "on_disconnect", "detail", "labels"]);
/** The rest of `session` is for a session that is not there yet, which it is when the request is made again. */
const ofSession = new Set(["id"]);

/** A MiB of SHA-256 takes about a millisecond. */
const pieceBytes = 1024 * 1024;

export async function requestDigest(request: StreamChatRequest | ChatRequest): Promise<Uint8Array> {
  const schema: DescMessage =
    request.$typeName === "claude.runner.v1.StreamChatRequest" ? StreamChatRequestSchema : ChatRequestSchema;
  const digest = new SlowDigest();
  await addMessage(digest, reflect(schema, request as Message), ({ name, parent }) =>
    parent === SessionRefSchema ? ofSession.has(name) : parent !== schema || !delivery.has(name),
  );
  return digest.done();
}

/** Takes values of any size without holding up the event loop. */
class SlowDigest {
  readonly #hash: Hash = createHash("sha256");
  #sinceRest = 0;

  mark(text: string): void {
    this.#hash.update(text);
  }

  async value(value: string | Uint8Array): Promise<void> {
    const bytes = typeof value === "string" ? Buffer.from(value) : value;
    this.mark(`${bytes.length}:`);
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      this.#hash.update(bytes.subarray(at, at + pieceBytes));
      this.#sinceRest += Math.min(pieceBytes, bytes.length - at);
      if (this.#sinceRest < pieceBytes) continue;
      this.#sinceRest = 0;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  done(): Uint8Array {
    return this.#hash.digest();
  }
}

async function addMessage(
  digest: SlowDigest,
  message: ReflectMessage,
  counts: (field: DescField) => boolean,
): Promise<void> {
  digest.mark("{");
  for (const field of message.sortedFields) {
    if (!counts(field) || !message.isSet(field)) continue;
    digest.mark(`${field.number}=`);
    switch (field.fieldKind) {
      case "list":
        for (const item of message.get(field)) {
          if (field.listKind === "message") await addMessage(digest, item as ReflectMessage, counts);
          else await addScalar(digest, item);
        }
        break;
      case "map": {
        const entries = [...message.get(field)].map(([key, value]) => [String(key), value] as const);
        entries.sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0));
        for (const [key, value] of entries) {
          await digest.value(key);
          await addScalar(digest, value);
        }
        break;
      }
      case "message":
        await addMessage(digest, message.get(field), counts);
        break;
      default:
        await addScalar(digest, message.get(field));
    }
    digest.mark(";");
  }
  digest.mark("}");
}

async function addScalar(digest: SlowDigest, value: unknown): Promise<void> {
  await digest.value(value instanceof Uint8Array ? value : String(value));
}
