/**
 * The servers of the proof `crashes`: their settings and folders, which each takes over from the one that was killed.
 */
import { createHash, randomUUID } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Serving } from "../serving.ts";
import { toolsProfile } from "./crash-load.ts";

const workerCount = 6;
const toolWorkerCount = 3;

export class Rig {
  readonly folder: string;
  readonly token = randomUUID();
  readonly #config: string;

  static async make(folder: string, cliPath: string): Promise<Rig> {
    const rig = new Rig(folder);
    await mkdir(rig.workFolder);
    await mkdir(rig.#workspace);
    await writeFile(join(folder, "key"), "none-is-needed", { mode: 0o600 });
    await writeFile(rig.#config, JSON.stringify(rig.#settings(cliPath)));
    return rig;
  }

  private constructor(folder: string) {
    this.folder = folder;
    this.#config = join(folder, "crashes.yaml");
  }

  get workFolder(): string {
    return join(this.folder, "work");
  }

  /** What the tools of sessions may read. */
  get #workspace(): string {
    return join(this.folder, "workspace");
  }

  get storeFolder(): string {
    return join(this.folder, "store");
  }

  serve(): Serving {
    return new Serving(this.folder, ["--config", this.#config]);
  }

  async portsOf(server: Serving, signal: AbortSignal) {
    const started = await server.said("claude-runner has started", signal);
    const portOf = (name: string) => Number(String(started[name]).split(":").at(-1));
    return { grpcPort: portOf("grpc"), webPort: portOf("web") };
  }

  #settings(cliPath: string): object {
    return {
      grpc: { port: 0 },
      web: { port: 0 },
      admin: { port: 0 },
      auth: {
        tokens: [{ tenant: "bench", sha256: createHash("sha256").update(this.token).digest("hex") }],
        maxTurnsInFlightPerTenant: 1_000,
      },
      calls: { maxUnreadTurnsPerTenant: 1_000 },
      cli: { path: cliPath, workFolder: this.workFolder },
      credentials: { default: { baseUrl: "http://127.0.0.1:9", apiKeyFile: join(this.folder, "key") } },
      profiles: {
        default: { minSpares: 1, maxWorkers: workerCount },
        // Fewer workers than sessions, and not all of them parked: some go on from their transcript at any time.
        [toolsProfile]: {
          tools: ["Read"],
          workspace: { path: this.#workspace, access: "read-only" },
          isolation: "none",
          tenant: "bench",
          minSpares: 0,
          maxWorkers: toolWorkerCount,
          maxParkedWorkers: toolWorkerCount - 1,
        },
      },
      store: { kind: "sqlite", folder: this.storeFolder },
      takeover: { socketFile: join(this.folder, "takeover", "t.sock") },
    };
  }
}
