/**
 * The server with workers that are no processes, in a process of its own: what is measured of it is the server's alone.
 *
 * Put together as `main.ts` does it, but for the CLI.
 */

import { systemClock } from "../src/clock.ts";
import { settingsSchema } from "../src/config/settings.ts";
import { runnerVersion } from "../src/config/version.ts";
import { Authenticator } from "../src/policy/auth.ts";
import { TurnsInFlight } from "../src/policy/quota.ts";
import { Tenants } from "../src/policy/tenants.ts";
import { Pool } from "../src/pool/worker-pool.ts";
import { startServers } from "../src/server/server.ts";
import { runnerService } from "../src/service/runner.ts";
import { observePool } from "../src/telemetry/gauges.ts";
import { createLog } from "../src/telemetry/log.ts";
import { startTelemetry } from "../src/telemetry/sdk.ts";
import { RecentTurns } from "../src/turns/observers/recent-turns.ts";
import { testDesk } from "../test/sessions/desk.ts";
import { processFigures, serveCommands } from "./child-commands.ts";
import { InProcessWorker } from "./in-process-worker.ts";
import type { ServerCommands } from "./server-process.ts";

const opened = new AsyncDisposableStack();
let pool: Pool | undefined;

const commands: ServerCommands = {
  async start(input) {
    const settings = settingsSchema.parse(input);
    const clock = systemClock;
    const log = createLog({ level: settings.telemetry.logLevel });
    const telemetry = startTelemetry({ settings: settings.telemetry, version: runnerVersion, log, clock });
    opened.defer(() => telemetry.stop());
    pool = new Pool({
      profiles: Object.fromEntries(
        Object.entries(settings.profiles).map(([name, { minSpares, maxWorkers, keptPlaces }]) => [
          name,
          {
            minSpares,
            maxWorkers,
            keptPlaces,
            reuse: true,
            keepConversationMs: 0,
            parkedIdleMs: 0,
            maxParkedWorkers: 0,
          },
        ]),
      ),
      settings,
      tenants: new Tenants(settings.auth.tokens, (profile) => settings.profiles[profile]?.tenant),
      startWorker: async () => new InProcessWorker(),
      clock,
      random: Math.random,
      log,
    });
    const owned = pool;
    opened.defer(() => owned.stop());
    const inFlight = new TurnsInFlight(settings.auth.maxTurnsInFlightPerTenant);
    opened.defer(observePool(pool, inFlight, settings.pool.memoryBudgetBytes));
    const authenticator = new Authenticator(settings.auth);
    const servers = await startServers({
      settings,
      services: [
        runnerService({
          ...testDesk({ clock, log, inFlight }),
          pool,
          clock,
          profiles: settings.profiles,
          log,
          recentTurns: new RecentTurns(),
          settings,
          serverVersion: runnerVersion,
          cli: () => ({ version: undefined, seeds: true }),
          authenticate: (authorization) => authenticator.authenticate(authorization),
        }),
      ],
      authenticate: (authorization) => authenticator.authenticate(authorization),
      log,
      clock,
    });
    opened.defer(() => servers.stop({ drainTimeoutMs: 0 }));
    pool.start();
    return { grpcPort: servers.grpc.port, webPort: servers.web!.port };
  },
  figures: processFigures,
  workers: () => pool!.snapshot(),
};

serveCommands(commands, () => opened.disposeAsync());
