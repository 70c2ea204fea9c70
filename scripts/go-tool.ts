/**
 * Programs written in Go that tests use, in pinned versions: built once by the Go toolchain into `.tmp/tools`, which git
 * ignores.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Whether there is a Go toolchain. */
export function hasGo(): boolean {
  return spawnSync("go", ["version"], { stdio: "ignore" }).status === 0;
}

/** The path of the program at `package@version`, built when it is not there yet. Throws with the build's output. */
export function goTool(program: string): string {
  const name = program.replace(/@.*$/, "").split("/").at(-1)!;
  const folder = join(root, ".tmp/tools", program.replaceAll("/", "_"));
  return built(folder, name, (into) => ({ args: ["install", program], cwd: root, env: { GOBIN: into } }));
}

/** The path of a program that a Go module of ours names as its tool: for programs that `go install` refuses. */
export function goModuleTool(module: string, program: string, version: string): string {
  const name = program.split("/").at(-1)!;
  const folder = join(root, ".tmp/tools", `${name}@${version}`);
  return built(folder, name, (into) => ({
    args: ["build", "-o", join(into, name), program],
    cwd: resolve(root, module),
    env: {},
  }));
}

function built(
  folder: string,
  name: string,
  build: (into: string) => { readonly args: readonly string[]; readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): string {
  const path = join(folder, name);
  if (existsSync(path)) return path;
  // Under another name until it is whole: a build that was cut off is not taken for a program.
  const unfinished = `${folder}.unfinished`;
  mkdirSync(unfinished, { recursive: true });
  const { args, cwd, env } = build(unfinished);
  const startedMs = performance.now();
  console.log(`building ${name} (once)`);
  const { status, stderr } = spawnSync("go", args, { cwd, env: { ...process.env, ...env }, encoding: "utf8" });
  if (status !== 0) throw new Error(`go ${args.join(" ")} failed:\n${stderr}`);
  console.log(`built ${name} in ${((performance.now() - startedMs) / 1000).toFixed(0)} s`);
  renameSync(unfinished, folder);
  return path;
}

/** The folder of a Go module's source, downloaded when it is not there yet. */
export function goModuleFolder(module: string): string {
  const { status, stdout, stderr } = spawnSync("go", ["mod", "download", "-json", module], { encoding: "utf8" });
  if (status !== 0) throw new Error(`go mod download ${module} failed:\n${stderr}`);
  return (JSON.parse(stdout) as { Dir: string }).Dir;
}
