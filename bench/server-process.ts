/**
 * The server under test in a process of its own, started as `serve` starts it: its log goes where stderr goes, metrics
 * are on. Tells its ports, its workers and what it has used.
 */
import { type Settings, settingsSchema } from "../src/config/settings.ts";
import { type Runner, startRunner } from "../src/main.ts";
import type { PoolSnapshot } from "../src/pool/snapshot.ts";
import { createLog } from "../src/telemetry/log.ts";
import { type Commands, processFigures, serveCommands } from "./child-commands.ts";

let runner: Runner | undefined;

const commands = {
  /** `settings` as an operator writes them. */
  async start(settings: unknown): Promise<{ readonly grpcPort: number; readonly webPort: number }> {
    const parsed: Settings = settingsSchema.parse(settings);
    runner = await startRunner({ settings: parsed, env: {}, log: createLog({ level: parsed.telemetry.logLevel }) });
    return { grpcPort: runner.grpcAddress.port, webPort: runner.webAddress!.port };
  },
  figures: processFigures,
  workers(): PoolSnapshot {
    return runner!.pool.snapshot();
  },
} satisfies Commands;

export type ServerCommands = typeof commands;

serveCommands(commands, () => runner?.stop({ drainTimeoutMs: 0 }));
