/** A model that is silent before its first word, on the real Claude Code: how long it is waited for, and who notices. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Outcome } from "../../gen/claude/runner/v1/result_pb.ts";
import { readTurn } from "../contract/turn.ts";
import { openScene, type Scene } from "./scene.ts";

const slow = `[[scenario text ${JSON.stringify({ text: "At last.", beforeFirstEventMs: 4_000 })}]]`;

describe("a model that is silent before its first word", () => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await openScene({ settings: { pool: { silenceTimeoutMs: 1_000 } } });
  });
  afterAll(() => scene?.close());

  it("is waited for beyond the silence of a worker, while the worker answers, and asked once", async () => {
    scene.standin.clear();
    const turn = await readTurn(scene.client.streamChat({ prompt: slow }));
    expect(turn.failure).toBeUndefined();
    expect([turn.text, turn.result.outcome]).toEqual(["At last.", Outcome.COMPLETED]);
    expect(scene.standin.requests).toHaveLength(1);
  });
});
