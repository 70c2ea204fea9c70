/**
 * A turn that runs in another server of this machine: what the store has of it is read, and what comes is looked for.
 */
import { randomUUID } from "node:crypto";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  StreamChatRequestSchema,
  type StreamChatResponse,
  StreamChatResponseSchema,
} from "../../../gen/claude/runner/v1/runner_pb.ts";
import type { AttachTurnResponse } from "../../../gen/claude/runner/v1/turn_pb.ts";
import { requestDigest } from "../../../src/service/in/request-digest.ts";
import { noUsage } from "../../../src/usage.ts";
import { type KeptScene, keptScene, reasonOf } from "./kept-scene.ts";

let scene: KeptScene;
beforeAll(async () => {
  scene = await keptScene({ calls: { heartbeatMs: 1_000, stalledReaderMs: 20_000 } });
});
afterAll(() => scene.close());

const request = { prompt: "words", requestId: "r" };

/** A turn whose first event is stored, and how to end it. */
async function elsewhere(tenant: string, { isStored = true } = {}) {
  const id = randomUUID();
  const { store } = scene;
  const digest = await requestDigest(create(StreamChatRequestSchema, request));
  const accepted = await store.acceptTurn({
    id,
    tenant,
    profile: "default",
    model: "m",
    detail: "standard",
    onDisconnect: "continue",
    durability: "processSafe",
    highestSequence: 1_024,
    request: { id: request.requestId, digest },
  });
  if (accepted.kind !== "accepted") throw new Error(accepted.kind);
  const lease = { turnId: id, epoch: accepted.epoch };
  await store.startTurn(lease);
  const append = async (sequence: number, event: MessageInitShape<typeof StreamChatResponseSchema>["event"]) => {
    const message = create(StreamChatResponseSchema, { sequence, turnId: id, ...(event && { event }) });
    const bytes = toBinary(StreamChatResponseSchema, message);
    const packed = Buffer.alloc(9 + bytes.length);
    packed.writeUInt32LE(sequence, 0);
    packed.writeUInt32LE(bytes.length, 5);
    packed.set(bytes, 9);
    const appended = store.appendEvents(lease, { firstSequence: sequence, lastSequence: sequence, packed });
    await scene.clock.advance(100); // events leave with others
    await appended;
  };
  if (isStored) await append(1, { case: "started", value: { profile: "default" } });
  const end = () =>
    store.endTurn(lease, {
      durability: "processSafe",
      outcome: "completed",
      error: undefined,
      usage: noUsage,
      costUsdMicros: 0,
      costIsEstimate: false,
      lastSequence: 3,
    });
  return { id, append, end };
}

/** The next that comes while time goes on. */
async function next<T>(events: AsyncGenerator<T, void>): Promise<T | undefined> {
  const coming = events.next();
  let isThere = false;
  void coming.then(
    () => (isThere = true),
    () => (isThere = true),
  );
  while (!isThere) {
    await scene.clock.advance(250);
    await scene.store.turn("nobody", "0"); // until the store has answered what was asked before
  }
  return (await coming).value ?? undefined;
}

const kindOf = (message: AttachTurnResponse | StreamChatResponse | undefined): string | undefined => {
  if (message === undefined) return undefined;
  if ("event" in message) return message.event?.case;
  return message.message.case === "event" ? message.message.value.event?.case : message.message.case;
};

describe("a turn of another server", () => {
  it("is read by AttachTurn as it comes, with heartbeats between", async () => {
    const { acme } = scene.newTenants();
    const turn = await elsewhere(acme.tenant);
    const { events } = scene.attach({ turn: { case: "turnId", value: turn.id } });
    const seen: (string | undefined)[] = [];
    for (let at = 0; at < 4; at += 1) seen.push(kindOf(await next(events)));
    expect(seen).toEqual(["state", "started", "replayComplete", "heartbeat"]);
    await turn.append(2, { case: "textDelta", value: { text: "words" } });
    expect(kindOf(await next(events))).toBe("textDelta");
    await turn.end();
    let last: string | undefined;
    for (let kind = kindOf(await next(events)); kind !== undefined; kind = kindOf(await next(events))) last = kind;
    expect(last).toBe("result");
  });

  it("is read by a repeated request in the same way", async () => {
    const { acme } = scene.newTenants();
    const turn = await elsewhere(acme.tenant);
    const { events, context } = scene.streamChat(request);
    expect(kindOf(await next(events))).toBe("started");
    expect(context.responseHeader.get("claude-runner-turn-id")).toBe(turn.id);
    expect(kindOf(await next(events))).toBe("heartbeat");
    await turn.end();
    let last: string | undefined;
    for (let kind = kindOf(await next(events)); kind !== undefined; kind = kindOf(await next(events))) last = kind;
    expect(last).toBe("result");
    expect(scene.pool.requests).toHaveLength(0);
  });

  it("whose events are not stored begins and beats all the same for a repeated request, once it has begun", async () => {
    const { acme } = scene.newTenants();
    const turn = await elsewhere(acme.tenant, { isStored: false });
    const { events, context } = scene.streamChat(request);
    const started = (await next(events)) as StreamChatResponse;
    expect(started).toMatchObject({ sequence: 1, event: { case: "started", value: { profile: "default" } } });
    expect(context.responseHeader.get("claude-runner-turn-id")).toBe(turn.id);
    expect(kindOf(await next(events))).toBe("heartbeat");
    await turn.end();
    let gap: StreamChatResponse | undefined;
    for (let at = (await next(events)) as StreamChatResponse; at.event.case !== "result"; ) {
      if (at.event.case === "gap") gap = at;
      at = (await next(events)) as StreamChatResponse;
    }
    expect(gap?.event.value).toMatchObject({ firstSequence: 2, lastSequence: 2 });
  });

  it("is read no further when the reader's token is taken away, by AttachTurn and by a repeated request", async () => {
    const { acme } = scene.newTenants();
    const turn = await elsewhere(acme.tenant);
    const attached = scene.attach({ turn: { case: "turnId", value: turn.id } }).events;
    for (let at = 0; at < 3; at += 1) await next(attached);
    const repeated = scene.streamChat(request).events;
    await next(repeated);
    scene.tokens.delete(JSON.stringify(acme));
    // One that was under way may come first.
    const atMostOne = async <T>(events: AsyncGenerator<T, void>) => {
      await next(events);
      await next(events);
    };
    expect(await reasonOf(atMostOne(attached))).toBe("UNAUTHENTICATED");
    expect(await reasonOf(atMostOne(repeated))).toBe("UNAUTHENTICATED");
    await turn.end();
  });

  it("ends a repeated request that reads nothing, and says where to go on", async () => {
    const { acme } = scene.newTenants();
    await elsewhere(acme.tenant);
    const idle = scene.streamChat(request);
    await next(idle.events);
    await scene.clock.advance(26_000);
    expect(idle.ended.map(({ message }) => message).join()).toContain("attach to the turn again after event 1");
    await idle.events.return();
  });
});
