/**
 * Protocol conformance of both ports: the published Connect, gRPC and gRPC-Web suite, and h2spec.
 *
 * Cases that fail are listed in `expected/`, each with its reason; a new failure, and a listed case that passes, fails
 * the run. What the page in docs/ says about it is written here: `--write` brings it up to date, otherwise a stale page
 * fails. Needs Go, to build the suites' own programs; without Go it says so, which in CI is a failure.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { join, matchesGlob, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { goModuleFolder, goTool, hasGo } from "../../scripts/go-tool.ts";
import { settingsSchema } from "../../src/config/settings.ts";
import { startServers } from "../../src/server/server.ts";
import { healthService } from "../../src/service/health-service.ts";
import { exceptions } from "./expected/h2spec.ts";
import { type H2Report, runH2spec } from "./h2spec.ts";

const suiteVersion = "v1.0.5";
const h2specVersion = "v2.2.1+incompatible";
const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "../..");
const page = join(root, "docs/conformance.md");

if (!hasGo()) {
  console.error("not run: the suites are built with Go, which this machine does not have");
  process.exit(process.env.CI ? 1 : 0);
}
const problems: string[] = [];
const rows = [...(await rpcRows()), ...(await h2Rows())];
bringUpToDate(rows);
if (problems.length > 0) {
  console.error(`\n${problems.join("\n")}`);
  process.exitCode = 1;
}

interface Row {
  readonly port: string;
  readonly suite: string;
  readonly caseCount: number;
  readonly exceptions: string;
}

/** The Connect suite on each port. */
async function rpcRows(): Promise<Row[]> {
  const program = goTool(`connectrpc.com/conformance/cmd/connectconformance@${suiteVersion}`);
  const schema = join(root, ".tmp/conformance.binpb");
  mkdirSync(join(root, ".tmp"), { recursive: true });
  const protos = join(goModuleFolder(`connectrpc.com/conformance@${suiteVersion}`), "proto");
  const { status, stderr } = spawnSync("buf", ["build", protos, "-o", schema], { encoding: "utf8" });
  if (status !== 0) throw new Error(`the suite's schema does not compile:\n${stderr}`);

  const found: Row[] = [];
  for (const port of ["grpc", "web"] as const) {
    console.log(`conformance suite against the ${port} port …`);
    const { code, output } = await run(
      program,
      [
        ...["--mode", "server", "--conf", join(here, `expected/${port}.yaml`), "--max-servers", "2", "-p", "4"],
        ...["--known-failing", `@${join(here, `expected/${port}-failing.txt`)}`],
        ...["--known-flaky", `@${join(here, "expected/flaky.txt")}`],
        ...["--", process.execPath, join(here, "server.ts")],
      ],
      { ...process.env, SCHEMA: schema, PORT: port },
    );
    const caseCount = Number(/Total cases: (\d+)/.exec(output)?.[1] ?? 0);
    console.log(`  ${caseCount} cases, ${code === 0 ? "all as expected" : "not all as expected"}`);
    problems.push(...wronglyExcused(port, output));
    if (code !== 0 || caseCount === 0) {
      const failed = [...output.matchAll(/^FAILED: .*\n(?:\t.*\n?)*/gm)].map(([block]) => block);
      const said = failed.length > 0 ? failed.join("") : output;
      problems.push(`${port} port, conformance suite:\n${said.slice(-20_000)}`);
    }
    const protocols = port === "grpc" ? "gRPC" : "Connect, gRPC-Web, gRPC";
    found.push({
      port,
      suite: `connectrpc/conformance ${suiteVersion}: ${protocols}`,
      caseCount,
      exceptions: [`${port}-failing.txt`, "flaky.txt"].map((name) => link(`expected/${name}`)).join(", "),
    });
  }
  return found;
}

/**
 * Cases of unexpected requests that are listed because of the details of their status, and fail for something else as well.
 * The suite does not tell the two apart: what is listed may fail in any way.
 */
function wronglyExcused(port: string, output: string): string[] {
  // How the suite says that there are details where it wants none, and in Connect's JSON that it does not know their type.
  const onlyDetails =
    /^\t(; )?(actual error contain 1 details; expecting 0|connect error JSON: details\[0\]: could not check debug data because message type "google\.rpc\.ErrorInfo" could not be resolved: proto:\s+not found)$/;
  const [, listed = ""] =
    /# Code and message are as wanted\.[^\n]*\n(.*?)(?=\n#|$)/s.exec(
      readFileSync(join(here, `expected/${port}-failing.txt`), "utf8"),
    ) ?? [];
  const patterns = listed.split("\n").filter((line) => line.includes("Unexpected Requests"));
  const isListed = (name: string) => patterns.some((pattern) => matchesGlob(name, pattern));
  const failed = [...output.matchAll(/^INFO: (.*) failed \(as expected\):\n((?:\t.*\n?)*)/gm)].filter(([, name]) =>
    isListed(name!),
  );
  if (failed.length < patterns.length) {
    return [
      `${port} port: ${failed.length} cases failed because of details, fewer than the ${patterns.length} patterns`,
    ];
  }
  return failed
    .filter(
      ([, , why]) =>
        !why!
          .trimEnd()
          .split("\n")
          .every((line) => onlyDetails.test(line)),
    )
    .map(([, name, why]) => `${port} port: is listed because of its details, and differs otherwise: ${name}\n${why}`);
}

/** h2spec on each port, and on a bare HTTP/2 server of this Node for comparison. */
async function h2Rows(): Promise<Row[]> {
  const program = goTool(`github.com/summerwind/h2spec/cmd/h2spec@${h2specVersion}`);
  console.log("h2spec against a bare HTTP/2 server of this Node …");
  const bare = createServer((request, response) => {
    request.resume();
    response.end("hello");
  });
  bare.on("sessionError", () => {});
  await once(bare.listen(0, "127.0.0.1"), "listening");
  const control = await runH2spec(program, (bare.address() as AddressInfo).port);
  bare.close();
  console.log(`  ${control.caseCount} cases, ${control.failed.length} failed`);

  const servers = await startServers({
    settings: settingsSchema.parse({ grpc: { port: 0 }, web: { port: 0 } }),
    services: [healthService({ isServing: () => true, onChange: () => () => {} })],
    authenticate: () => {
      throw new Error("bug: health needs no token");
    },
    log: { info() {}, warn: console.error, error: console.error } as Parameters<typeof startServers>[0]["log"],
  });
  try {
    const found: Row[] = [];
    for (const port of ["grpc", "web"] as const) {
      console.log(`h2spec against the ${port} port …`);
      const report = await runH2spec(program, servers[port]!.port);
      console.log(`  ${report.caseCount} cases, ${report.failed.length} failed`);
      problems.push(...(await h2Problems(program, servers[port]!.port, port, report, control)));
      found.push({
        port,
        suite: `h2spec ${h2specVersion.replace("+incompatible", "")}: HTTP/2`,
        caseCount: report.caseCount,
        exceptions: `what bare Node fails; ${link("expected/h2spec.ts")}`,
      });
    }
    return found;
  } finally {
    await servers.stop({ drainTimeoutMs: 0 });
  }
}

async function h2Problems(
  program: string,
  number: number,
  port: "grpc" | "web",
  report: H2Report,
  control: H2Report,
): Promise<string[]> {
  const mine = exceptions.filter((exception) => exception.port === port);
  const isListed = (key: string) => mine.some(({ section, name }) => key.startsWith(`${section} | ${name}`));
  let fresh = report.failed.filter((key) => !control.failed.includes(key) && !isListed(key));
  // A case that depends on who is first passes when it is tried again; a real failure does not.
  for (let retry = 1; retry <= 3 && fresh.length > 0; retry += 1) {
    console.log(`  once more, on its own: ${fresh.join("; ")}`);
    const sections = [...new Set(fresh.map((key) => key.split(" | ")[0]!))];
    const again = await runH2spec(program, number, sections);
    fresh = fresh.filter((key) => again.failed.includes(key));
  }
  const healed = mine.filter(
    ({ section, name, isRace }) => !isRace && !report.failed.some((key) => key.startsWith(`${section} | ${name}`)),
  );
  return [
    ...fresh.map((key) => `${port} port, h2spec: fails, and bare Node does not: ${key}`),
    ...healed.map(({ name }) => `${port} port, h2spec: passes and is still listed as failing: ${name}`),
    ...(report.caseCount < 100 ? [`${port} port, h2spec: only ${report.caseCount} cases ran`] : []),
  ];
}

/** The table in the page. */
function bringUpToDate(rows: readonly Row[]): void {
  const table = [
    "| port | suite | cases | exceptions, with reasons |",
    "|---|---|---|---|",
    ...rows.map(({ port, suite, caseCount, exceptions }) => `| ${port} | ${suite} | ${caseCount} | ${exceptions} |`),
  ].join("\n");
  const text = readFileSync(page, "utf8");
  const fresh = text.replace(/<!-- results -->[\s\S]*<!-- end -->/, `<!-- results -->\n${table}\n<!-- end -->`);
  if (fresh === text) return;
  if (process.argv.includes("--write")) writeFileSync(page, fresh);
  else problems.push(`${relative(root, page)} is stale: run \`npm run conformance -- --write\` and commit it`);
}

function link(path: string): string {
  return `[${path.split("/").at(-1)}](../test/conformance/${path})`;
}

async function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv) {
  const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, output };
}
