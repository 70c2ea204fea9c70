/**
 * Sessions whose conversations have tools, on the real Claude Code: they go on in their own worker while that is there, and
 * from its transcript otherwise, also on another server and after a worker's death.
 */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConversationSource } from "../../gen/claude/runner/v1/event_pb.ts";
import { Outcome } from "../../gen/claude/runner/v1/result_pb.ts";
import { SessionKind } from "../../gen/claude/runner/v1/session_pb.ts";
import { until } from "../until.ts";
import { openScene, type Scene } from "./scene.ts";
import { all, type Clients, clients, reasonOf, startedOf, textOf } from "./session-clients.ts";

/** The ids of the tool uses that the model was sent, and of those that have a result. */
function toolsIn(body: unknown): { readonly used: readonly string[]; readonly answered: readonly string[] } {
  const text = JSON.stringify(body);
  const ids = (pattern: RegExp) => [...text.matchAll(pattern)].map(([, id]) => id!).sort();
  return {
    used: ids(/"type":"tool_use","id":"([^"]+)"/g),
    answered: ids(/"tool_use_id":"([^"]+)"/g),
  };
}

const bash = (command: string) => `[[scenario bash ${JSON.stringify({ command })}]]`;

describe("a session with tools", () => {
  let scene: Scene;
  let folder: string;
  let acme: Clients;
  const open = async () => {
    scene = await openScene({
      settings: {
        store: { kind: "sqlite", folder: join(folder, "store") },
        profiles: {
          default: {
            tools: ["Bash"],
            workspace: { path: join(folder, "workspace") },
            isolation: "none",
            tenant: "acme",
            minSpares: 0,
          },
        },
      },
      untilWarm: false,
    });
    acme = clients(scene);
  };
  /** What the model was sent in the last request: the texts and tool results, as JSON. */
  const lastRequest = () => JSON.stringify(scene.standin.requests.at(-1)?.body);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "runner-tool-sessions-"));
    await mkdir(join(folder, "workspace"));
    await open();
  });
  afterAll(async () => {
    await scene?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("goes on in its own worker, with what its tools returned", async () => {
    const session = { id: "work", allowMissing: true };
    const first = await all(acme.runner.streamChat({ prompt: bash("echo canary-of-the-tool"), session }));
    expect(startedOf(first).conversationSource).toBe(ConversationSource.NEW);
    const second = await all(acme.runner.streamChat({ prompt: "And now?", session }));
    expect(startedOf(second)).toMatchObject({
      conversationSource: ConversationSource.KEPT,
      workerId: startedOf(first).workerId,
    });
    expect(lastRequest()).toContain("canary-of-the-tool");
    expect((await acme.sessions.getSession({ id: "work" })).session).toMatchObject({
      kind: SessionKind.TOOLS,
      turnCount: 2,
    });
  });

  it("goes on from its transcript on another server", async () => {
    await scene.close();
    await open();
    const third = await all(acme.runner.streamChat({ prompt: "Still there?", session: { id: "work" } }));
    expect(startedOf(third).conversationSource).toBe(ConversationSource.RESUMED);
    expect(lastRequest()).toContain("canary-of-the-tool");
    expect(textOf(third)).not.toBe("");
  });

  it("keeps a turn whose worker died, with no tool use left open", async () => {
    const session = { id: "dies", allowMissing: true };
    await all(acme.runner.streamChat({ prompt: "Hello.", session }));
    const stream = acme.runner.streamChat({ prompt: bash("touch started; sleep 60"), session })[Symbol.asyncIterator]();
    await stream.next();
    await until(() => existsSync(join(folder, "workspace", "started")));
    for (const pid of (await scene.workerPids()).values()) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // it is another session's, and gone
      }
    }
    expect(await reasonOf({ [Symbol.asyncIterator]: () => stream })).toBe("WORKER_DIED");
    const next = await all(acme.runner.streamChat({ prompt: "What happened?", session }));
    expect(startedOf(next).conversationSource).toBe(ConversationSource.RESUMED);
    // How much Claude Code had written down by then is its own affair; what is there is closed, and the turn says so.
    const { used, answered } = toolsIn(scene.standin.requests.at(-1)?.body);
    expect(answered).toEqual(used);
    const { turns } = await acme.turns.listTurns({ sessionId: "dies" });
    expect(turns.map(({ outcome, inConversation }) => [outcome, inConversation])).toEqual([
      [Outcome.COMPLETED, true],
      [Outcome.WORKER_DIED, lastRequest().includes("sleep 60")],
      [Outcome.COMPLETED, true],
    ]);
  });

  it("is forked with its transcript", async () => {
    await acme.sessions.forkSession({ id: "work", newId: "work-2" });
    const forked = await all(acme.runner.streamChat({ prompt: "A branch.", session: { id: "work-2" } }));
    expect(startedOf(forked).conversationSource).toBe(ConversationSource.RESUMED);
    expect(lastRequest()).toContain("canary-of-the-tool");
    const original = await all(acme.runner.streamChat({ prompt: "The trunk.", session: { id: "work" } }));
    expect(textOf(original)).not.toBe("");
    expect(lastRequest()).not.toContain("A branch.");
  });
});
