/**
 * What a server tells about itself, and what later servers may say.
 */
import { expect } from "vitest";
import { tenants } from "../../../test/e2e/scene.ts";
import { type Behaviour, errorOf, expectWell, resultOf } from "../behaviour.ts";
import { futureTurn } from "../future-server.ts";
import { type Lab, targetOf } from "../lab.ts";
import { listServices } from "../served.ts";

const runnerService = "claude.runner.v1.ClaudeRunner";
const poolService = "claude.runner.v1.PoolService";

async function servesPool(lab: Lab): Promise<boolean> {
  const scene = await lab.main();
  return (await listServices(scene.target.grpcPort, tenants.acme)).includes(poolService);
}

export const services: readonly Behaviour[] = [
  {
    title: "skips kinds of events that it does not know",
    async holds(client, lab) {
      const { target } = await lab.future();
      const answer = await client.stream(target, { prompt: "x" });
      expectWell(answer);
      expect(answer).toMatchObject({
        unknownCount: futureTurn.unknownCount,
        gapFree: true,
        text: futureTurn.text,
        kinds: { started: 1, text_delta: 2, result: 1 },
        firstKind: "started",
        lastKind: "result",
        eventCount: 7,
      });
      expect(resultOf(answer).outcome).toBe("OUTCOME_COMPLETED");
      expect((await client.text(target, { prompt: "x" })).text).toBe(futureTurn.text);
    },
  },
  {
    title: "reports what the server is and what the caller may use",
    async holds(client, lab) {
      const { response, error } = await client.call<"info">({ do: "info", target: targetOf(await lab.main()) });
      expect(error).toBeUndefined();
      expect(response).toMatchObject({
        tenant: "acme",
        serverVersion: expect.stringMatching(/^\d+\.\d+\.\d+/),
        cliVersion: expect.stringMatching(/^\d+\.\d+\.\d+$/),
        profiles: [{ name: "default", description: "What most turns run under." }],
      });
    },
  },
  {
    title: "reports the state of the pool",
    isServed: servesPool,
    async holds(client, lab) {
      const scene = await lab.main();
      const turn = await client.stream(targetOf(scene), { prompt: "to be seen in the pool" });
      const { response, error } = await client.call<"pool">({ do: "pool", target: targetOf(scene) });
      expect(error).toBeUndefined();
      const { pool } = response as { pool: { serving: boolean; profiles: object[]; recentTurns: object[] } };
      expect(pool.serving).toBe(true);
      expect(pool.profiles).toEqual(expect.arrayContaining([expect.objectContaining({ profile: "default" })]));
      expect(pool.recentTurns).toEqual(expect.arrayContaining([expect.objectContaining({ turnId: turn.turnId })]));
    },
  },
  {
    title: "checks health without a token, overall and by service",
    async holds(client, lab) {
      const { address } = targetOf(await lab.main());
      for (const service of ["", runnerService]) {
        expect(await client.call<"health">({ do: "health", target: { address }, service })).toEqual({
          status: "SERVING",
        });
      }
      const unknown = await client.call<"health">({ do: "health", target: { address }, service: "no.such.Service" });
      expect(errorOf(unknown).code).toBe("NOT_FOUND");
    },
  },
  {
    title: "lists the services by reflection, with a token only",
    async holds(client, lab) {
      const target = targetOf(await lab.main());
      const { services: listed, error } = await client.call<"reflect">({ do: "reflect", target });
      expect(error).toBeUndefined();
      expect(listed).toEqual(expect.arrayContaining([runnerService, "grpc.health.v1.Health"]));
      const stranger = await client.call<"reflect">({ do: "reflect", target: { address: target.address } });
      expect(errorOf(stranger).code).toBe("UNAUTHENTICATED");
    },
  },
];
