/** The contract suite of StreamChat on the real Claude Code, over some of the transports: a file each, since it takes long. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { contractSettings, streamChatContract } from "../contract/stream-chat.ts";
import { type TransportKind, testTls } from "../contract/transports.ts";
import { openScene, type Scene } from "./scene.ts";

/** `kinds`: all over TLS, or all over plain connections. */
export function describeStreamChat(name: string, kinds: readonly TransportKind[]): void {
  describe(`the real CLI over ${name}`, () => {
    const tls = kinds.some(({ tls }) => tls) ? { tls: testTls } : {};
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
}
