/**
 * A real Prometheus with the configuration that users are given, reading one server every second, and its answers.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readDeploy } from "../deploy/expressions.ts";
import { freePort, startProgram } from "./program.ts";

/** One element of an answer. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface RuleSeen {
  readonly name: string;
  readonly health: string;
  readonly state: string;
  readonly lastError?: string;
}

export interface Prometheus extends AsyncDisposable {
  /** Now. Throws with Prometheus' words when the expression is not valid. */
  query(expression: string): Promise<readonly Sample[]>;
  /** The labels of every series that was read of the server, its name among them as `__name__`. */
  series(): Promise<readonly Readonly<Record<string, string>>[]>;
  rules(): Promise<readonly RuleSeen[]>;
}

const rulesFile = join(import.meta.dirname, "../../deploy/prometheus/alerts.yml");

/** `adminPort`: of the server that it reads. */
export async function openPrometheus(program: string, adminPort: number): Promise<Prometheus> {
  await using opened = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "runner-prometheus-"));
  opened.defer(() => rm(folder, { recursive: true, force: true }));
  const config = readDeploy("prometheus/prometheus.yml")
    .replace("127.0.0.1:7435", `127.0.0.1:${adminPort}`)
    .replace("- alerts.yml", `- ${rulesFile}`)
    .replaceAll("_interval: 15s", "_interval: 1s");
  await writeFile(join(folder, "prometheus.yml"), config);
  const address = `127.0.0.1:${await freePort()}`;
  const url = `http://${address}`;
  opened.use(
    await startProgram({
      command: program,
      args: [
        `--config.file=${join(folder, "prometheus.yml")}`,
        `--storage.tsdb.path=${join(folder, "data")}`,
        `--web.listen-address=${address}`,
        "--log.level=warn",
      ],
      readyUrl: `${url}/-/ready`,
    }),
  );
  const ask = async <T>(path: string): Promise<T> => {
    const answer = (await (await fetch(`${url}/api/v1/${path}`)).json()) as { data: T; status: string; error?: string };
    if (answer.status !== "success") throw new Error(answer.error);
    return answer.data;
  };
  const parts = opened.move();
  return {
    async query(expression) {
      interface Found {
        readonly result: readonly { readonly metric: Record<string, string>; readonly value: [number, string] }[];
      }
      const { result } = await ask<Found>(`query?query=${encodeURIComponent(expression)}`);
      return result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
    },
    series: () => ask(`series?match[]=${encodeURIComponent('{job="claude-runner"}')}`),
    async rules() {
      const { groups } = await ask<{ readonly groups: readonly { readonly rules: readonly RuleSeen[] }[] }>("rules");
      return groups.flatMap((group) => group.rules);
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
