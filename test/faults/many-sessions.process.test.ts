/**
 * A twentieth of `npm run bench -- --only sessions`: fifty sessions of five tenants on four workers of the fake CLI.
 */
import { afterEach, expect, test } from "vitest";
import { serveManySessions } from "../../bench/proofs/many-sessions.ts";
import { sha256Of } from "../../src/policy/auth.ts";
import { type FakeScene, openFakeScene } from "./fake-scene.ts";

const tokens = new Map(
  ["acme", "umbrella", "initech", "globex", "hooli"].map((name) => [name, `test-token-of-${name}`]),
);

let scene: FakeScene;
afterEach(() => scene.close());

test("fifty sessions of five tenants get all their turns in order on four workers", async () => {
  scene = await openFakeScene({
    auth: {
      tokens: [...tokens].map(([tenant, token]) => ({ tenant, sha256: sha256Of(token) })),
      maxTurnsInFlightPerTenant: 1_000,
    },
    queue: { maxLength: 1_000, timeoutMs: 600_000 },
    calls: { sessionQueueTimeoutMs: 600_000 },
    store: { kind: "memory" },
  });
  const { problems, turnCount } = await serveManySessions({
    ports: scene.target,
    tokens,
    sessionsPerTenant: 10,
    turnsPerSession: 3,
    signal: new AbortController().signal,
  });
  expect(problems).toEqual([]);
  expect(turnCount).toBe(150);
}, 600_000);
