/**
 * What the demo runs on: the real CLI, the server, and the stand-in in the model's place; all on loopback, all ended by
 * `close`, all folders in one that is removed.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { settingsSchema } from "../config/settings.ts";
import { type Runner, startRunner } from "../main.ts";
import { sha256Of } from "../policy/auth.ts";
import { startStandin } from "../standin/standin-server.ts";
import type { Log } from "../telemetry/log.ts";

export interface DemoScene {
  readonly runner: Runner;
  readonly token: string;
  readonly standinUrl: string;
  close(): Promise<void>;
}

export interface DemoPorts {
  readonly grpc: number;
  readonly web: number;
  /** Absent: it stays closed. */
  readonly admin?: number | undefined;
}

/** The model that the demo names; nobody but the stand-in is asked. */
export const demoModel = "claude-opus-5-5";

/** `otlpEndpoint`: where traces and metrics go. Absent: nowhere. */
export async function openDemoScene(ports: DemoPorts, log: Log, otlpEndpoint?: string): Promise<DemoScene> {
  const folder = await mkdtemp(join(tmpdir(), "claude-runner-demo-"));
  // Words come one by one, as from a model; the first one comes at once, so that what is measured is the server.
  const standin = await startStandin({
    defaultScenario: { name: "answer", options: { betweenDeltasMs: 12, brief: true } },
  });
  // It introduces itself once.
  standin.script({ name: "answer", options: { betweenDeltasMs: 12 } }, { times: 1 });
  const token = `crt_${randomBytes(24).toString("base64url")}`;
  const close = async () => {
    await runner?.stop();
    await standin.close();
    await rm(folder, { recursive: true, force: true });
  };
  let runner: Runner | undefined;
  try {
    const settings = settingsSchema.parse({
      grpc: { port: ports.grpc },
      web: { port: ports.web },
      admin: { enabled: ports.admin !== undefined, port: ports.admin ?? 0 },
      auth: {
        tokens: [{ tenant: "demo", sha256: sha256Of(token), operator: true }],
        tokenFile: join(folder, "token"),
        reflection: "on",
      },
      cli: { workFolder: folder },
      // Whoever looks is waiting for it.
      telemetry: { otlpEndpoint, tracesIntervalMs: 500, metricsIntervalMs: 5_000 },
      credentials: { default: { baseUrl: standin.url, apiKeyEnv: "DEMO_API_KEY" } },
      profiles: {
        default: {
          description: "Warm: two spares are held ready, and workers are used again.",
          model: demoModel,
          minSpares: 2,
          maxWorkers: 6,
        },
        cold: {
          description: "Cold: every turn starts a new process.",
          model: demoModel,
          minSpares: 0,
          reuse: false,
          maxWorkers: 2,
        },
      },
    });
    // The stand-in takes any key. No credential of the user's is read: this is the whole environment that workers see.
    const env = { PATH: process.env.PATH, HOME: folder, DEMO_API_KEY: "sk-stand-in-key-0" };
    runner = await startRunner({ settings, env, log });
    return { runner, token, standinUrl: standin.url, close };
  } catch (error) {
    await close();
    throw error;
  }
}
