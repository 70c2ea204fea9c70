/**
 * Turns whose events are not in memory any more, all or some of them: what their readers get all the same.
 */
import { randomUUID } from "node:crypto";
import { toJson } from "@bufbuild/protobuf";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  ClaudeRunner,
  OnDisconnect,
  type StreamChatResponse,
  StreamChatResponseSchema,
} from "../../../gen/claude/runner/v1/runner_pb.ts";
import type { AttachTurnResponse } from "../../../gen/claude/runner/v1/turn_pb.ts";
import { all, type KeptScene, keptScene, saidBy } from "./kept-scene.ts";

let scene: KeptScene;
beforeAll(async () => {
  scene = await keptScene();
});
beforeEach(() => scene.newTenants());
afterAll(() => scene.close());

const eventsOf = (messages: readonly AttachTurnResponse[]) =>
  messages.flatMap(({ message }) => (message.case === "event" ? [message.value] : []));
const inJson = (events: readonly StreamChatResponse[]) =>
  events.map((event) => toJson(StreamChatResponseSchema, event));
const cases = (events: readonly StreamChatResponse[]) => events.map(({ event, sequence }) => [sequence, event.case]);

describe("a turn that goes on without its caller and has left memory", () => {
  it("is read from the store as its caller was sent it, to the letter, its result and every time included", async () => {
    const request = { prompt: "words", requestId: randomUUID(), onDisconnect: OnDisconnect.CONTINUE };
    const sent = await scene.chat(request);
    const { turnId } = sent[0]!;
    scene.live.forget(turnId);
    await scene.clock.advance(5_000); // what was made anew would have another time
    const turn = { case: "turnId", value: turnId } as const;
    const attached = await all(scene.attach({ turn }).events);
    expect(inJson(eventsOf(attached))).toEqual(inJson(sent));
    const later = await all(scene.attach({ turn, afterSequence: sent.length - 1 }).events);
    expect(inJson(eventsOf(later))).toEqual(inJson(sent.slice(-1)));
    expect(eventsOf(await all(scene.attach({ turn, afterSequence: sent.length }).events))).toEqual([]);
    expect(inJson(await scene.chat(request))).toEqual(inJson(sent));
  });
});

describe("a call that is repeated", () => {
  it("while its turn runs, whose first events are gone, gets what stands for them, a gap, and the rest", async () => {
    const request = { prompt: "hold", requestId: randomUUID() };
    const held = await scene.hold(request);
    for (let at = 0; at < 30; at += 1) {
      held.say("x".repeat(250_000));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const again = scene.streamChat(request);
    const first = (await again.events.next()).value as StreamChatResponse;
    const second = (await again.events.next()).value as StreamChatResponse;
    expect(first).toMatchObject({ sequence: 1, event: { case: "started", value: { profile: "default" } } });
    const gap = second.event.value as { firstSequence: number; lastSequence: number };
    expect(second).toMatchObject({ sequence: gap.lastSequence, event: { case: "gap", value: { firstSequence: 2 } } });
    held.end();
    const rest = await all(again.events);
    expect(cases(rest)[0]).toEqual([gap.lastSequence + 1, "textDelta"]);
    expect(rest.at(-1)?.event.case).toBe("result");
  });

  it("is not answered with a part of the text as if that were all of it", async () => {
    const request = { prompt: "x".repeat(300_000), requestId: randomUUID() };
    const first = await scene.ask(ClaudeRunner.method.chat, request);
    expect(first.text).toHaveLength(300_000);
    scene.live.forget(first.turnId);
    const said = await saidBy(scene.ask(ClaudeRunner.method.chat, request));
    expect(said).toContain("RESPONSE_TOO_LARGE");
    expect(said).toContain("of the answer's 300000 bytes of text the server still has the first 262144");
  });
});
