/** Sessions and turns that are kept, over every transport, on the fake CLI. */
import { afterAll, beforeAll, describe } from "vitest";
import { keptContract } from "../contract/kept.ts";
import { testTls, transportKinds } from "../contract/transports.ts";
import { openFakeScene, slowAnswer } from "../faults/fake-scene.ts";
import type { Scene } from "./scene.ts";

/** Streams as text are other bytes for the same calls (test/server/web/text-stream.test.ts). */
const kinds = transportKinds.filter(({ library }) => library !== "none");

/** Over TLS one of each port: what differs is below the protocols. */
const overTls = kinds.filter(
  ({ tls, library, port, protocol, httpVersion }) =>
    tls && ((library === "grpc-js" && port === "grpc") || (protocol === "grpc-web" && httpVersion === "1.1")),
);

describe.each([
  ["plain connections", {}, kinds.filter(({ tls }) => !tls)],
  ["TLS", { tls: testTls }, overTls],
] as const)("the fake CLI over %s", (_, tls, of) => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await openFakeScene({ store: { kind: "memory" }, grpc: tls, web: tls });
  });
  afterAll(() => scene?.close());

  for (const kind of of) keptContract(kind, () => scene, slowAnswer);
});
