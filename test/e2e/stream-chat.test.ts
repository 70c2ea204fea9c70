import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { contractSettings, streamChatContract } from "../contract/stream-chat.ts";
import { testTls, transportKinds } from "../contract/transports.ts";
import { openScene, type Scene } from "./scene.ts";

/** Over TLS one of each: what differs from a plain connection is below the protocols. */
const overTls = transportKinds.filter(
  ({ tls, library, port, protocol, httpVersion, name }) =>
    tls &&
    ((library === "grpc-js" && port === "grpc") ||
      (protocol === "grpc-web" && httpVersion === "2") ||
      (name.includes("JSON") && httpVersion === "1.1")),
);

/** Of the streams as text one: below their lines they are Connect JSON, which is here as well. */
const overPlain = transportKinds.filter(
  ({ tls, library, httpVersion, name }) =>
    !tls && (library !== "none" || (name.startsWith("Server-sent") && httpVersion === "1.1")),
);

describe.each([
  ["plain connections", {}, overPlain],
  ["TLS", { tls: testTls }, overTls],
] as const)("the real CLI over %s", (_, tls, kinds) => {
  let scene: Scene;
  let workspace: string;
  beforeAll(async () => {
    workspace = await mkdtemp(join(tmpdir(), "runner-workspace-"));
    const settings = contractSettings(workspace);
    scene = await openScene({ settings: { ...settings, grpc: tls, web: tls } });
  });
  afterAll(async () => {
    await scene.close();
    await rm(workspace, { recursive: true, force: true });
  });

  for (const kind of kinds) streamChatContract(kind, () => scene);
});
