/**
 * `npm run observability`: what people see of a server, in the real programs. Traces in a Jaeger, with the clients of
 * languages that have instrumentation of their own; metrics in a Prometheus, with the dashboard's questions and the
 * alerts.
 *
 *   npm run observability             all of it
 *   npm run observability -- traces   a part: traces, metrics
 *
 * Go builds Jaeger, once; prometheus and promtool are looked for on PATH. What a machine has no programs for is not
 * looked at, and the last lines say so; with CI=true that is a failure.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { folderOf, type Language, languages, obstacle, repository } from "../../clients/suite/languages.ts";
import { goModuleTool, hasGo } from "../../scripts/go-tool.ts";
import { variables } from "./programs.ts";

const jaegerVersion = "v1.76.0";
/** Clients whose language has a usual way to make client spans, which their drivers use. */
const tracingClients = ["go", "python"];
const parts = ["traces", "metrics"] as const;

const isCi = process.env.CI === "true";
const chosen = process.argv.slice(2);
const strange = chosen.filter((name) => parts.every((part) => part !== name));
if (strange.length > 0) {
  console.error(`observability: ${strange.join(", ")}? Parts: ${parts.join(", ")}`);
  process.exit(2);
}
const isWanted = (part: (typeof parts)[number]) => chosen.length === 0 || chosen.includes(part);

/** What was not looked at, and why. */
const missing: string[] = [];
const failures: string[] = [];
const looked: string[] = [];

if (isWanted("traces")) traces();
if (isWanted("metrics")) metrics();

for (const what of missing) console.log(`- ${what}`);
if (isCi && missing.length > 0) failures.push("not everything was looked at");
if (failures.length > 0) {
  console.log(`\nobservability: ${failures.join("; ")}`);
  process.exitCode = 1;
} else {
  console.log(`\nobservability: ${looked.join(", ") || "nothing"}: all is well`);
}

function traces(): void {
  if (!hasGo()) {
    missing.push("traces were not looked at: Jaeger is built with Go, which this machine does not have");
    return;
  }
  const jaeger = goModuleTool("test/observability/jaeger", "github.com/jaegertracing/jaeger/cmd/jaeger", jaegerVersion);
  const clients = languages.filter(({ name }) => tracingClients.includes(name)).filter(isUsable);
  const env = { [variables.jaeger]: jaeger, CLIENTS: clients.map(({ name }) => name).join(",") };
  look("traces", env);
}

function metrics(): void {
  const absent = ["prometheus", "promtool"].filter(
    (program) => spawnSync(program, ["--version"], { stdio: "ignore" }).status !== 0,
  );
  if (absent.length > 0) {
    missing.push(`metrics were not looked at: there is no ${absent.join(" and no ")}: install Prometheus`);
    return;
  }
  look("metrics", { [variables.prometheus]: "prometheus", [variables.promtool]: "promtool" });
}

/** Builds a client; one that cannot be built on this machine is missing, one that does not build is a failure. */
function isUsable(language: Language): boolean {
  const why = obstacle(language);
  if (why !== undefined) {
    missing.push(`a trace of the ${language.title} client was not looked at: ${why}`);
    return false;
  }
  const { status, stdout, stderr } = spawnSync(join(folderOf(language), "build.sh"), { encoding: "utf8" });
  if (status === 0) return true;
  console.log(`${stdout}${stderr}`);
  failures.push(`the ${language.title} client does not build`);
  return false;
}

function look(part: string, env: Readonly<Record<string, string>>): void {
  const vitest = join(repository, "node_modules/.bin/vitest");
  const args = ["run", "--config", "test/observability/vitest.config.ts", part];
  const { status } = spawnSync(vitest, args, { cwd: repository, env: { ...process.env, ...env }, stdio: "inherit" });
  if (status === 0) looked.push(part);
  else failures.push(`${part} are not as they should be`);
}
