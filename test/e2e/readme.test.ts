/** What the README tells a newcomer to type does what it says. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type DemoScene, openDemoScene } from "../../src/commands/demo-scene.ts";
import { silentLog } from "../../src/telemetry/log.ts";

const root = join(import.meta.dirname, "../..");
const run = promisify(execFile);
let scene: DemoScene;
let home: string;
let readme: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "claude-runner-readme-"));
  scene = await openDemoScene({ grpc: 0, web: 0 }, silentLog);
  readme = await readFile(join(root, "README.md"), "utf8");
});
afterAll(async () => {
  await scene?.close();
  await rm(home, { recursive: true, force: true });
});

/** The blocks of one language, in order. */
function blocks(language: string): string[] {
  return [...readme.matchAll(new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, "gs"))].map(([, code]) => code!);
}

/** Runs a shell command of the README against this server, whose ports are not the default ones. */
async function shell(command: string): Promise<string> {
  const here = command
    .replaceAll("127.0.0.1:7434", `127.0.0.1:${scene.runner.webAddress!.port}`)
    .replaceAll("127.0.0.1:7433", `127.0.0.1:${scene.runner.grpcAddress.port}`);
  const env = {
    PATH: `${join(root, "node_modules/.bin")}:${process.env.PATH}`,
    CLAUDE_RUNNER_TOKEN: scene.token,
    HOME: home,
  };
  const { stdout } = await run("sh", ["-c", here], { env, cwd: root });
  return stdout;
}

test("curl gets a whole answer as JSON", async () => {
  const command = blocks("sh").find((block) => block.startsWith("curl"))!;
  const answer = JSON.parse(await shell(command)) as { text: string; result: { outcome: string } };
  expect(answer.text).toContain("Say hello");
  expect(answer.result.outcome).toBe("OUTCOME_COMPLETED");
});

test("curl gets a stream as server-sent events", async () => {
  const command = blocks("sh").find((block) => block.startsWith("curl -N"))!;
  const output = await shell(command);
  expect(output).toMatch(/^event: started\nid: 1\ndata: \{.*\}\n\n/);
  expect(output).toMatch(/\n\nevent: result\nid: \d+\ndata: \{.*"OUTCOME_COMPLETED".*\}\n\n$/);
});

test("buf curl gets a stream by reflection", async () => {
  const command = blocks("sh").find((block) => block.startsWith("npx @bufbuild/buf curl"))!;
  const output = await shell(command);
  expect(output).toContain('"started"');
  expect(output).toContain('"textDelta"');
  expect(output).toContain("OUTCOME_COMPLETED");
});

test("the TypeScript client prints the answer", async () => {
  // In the checkout the client runs as it is; as the package that people install it is tried by `npm run clients`.
  const [code] = blocks("ts");
  const file = join(root, `.readme-example-${process.pid}.ts`);
  await writeFile(file, code!.replace("@claude-runner/client/node", "./clients/typescript/src/node.ts"));
  try {
    const { host, port } = scene.runner.grpcAddress;
    const env = {
      PATH: process.env.PATH,
      CLAUDE_RUNNER_ADDRESS: `${host}:${port}`,
      CLAUDE_RUNNER_TOKEN: scene.token,
    };
    const { stdout } = await run(process.execPath, [file], { env, cwd: root });
    expect(stdout).toContain("Say hello");
  } finally {
    await rm(file);
  }
});

test("the clients' blocks are one for each of three languages, which `npm run clients` runs", () => {
  expect(["python", "ts", "go"].map((language) => blocks(language).length)).toEqual([1, 1, 1]);
});

test("the profiles are settings that the server takes", async () => {
  const { loadSettings } = await import("../../src/config/load.ts");
  const [yaml] = blocks("yaml");
  const file = join(root, `.readme-profiles-${process.pid}.yaml`);
  await writeFile(file, yaml!.replace("/srv/checkout", root));
  try {
    const { settings } = loadSettings({ env: {}, workingFolder: root, configFile: file });
    expect(Object.keys(settings.profiles)).toEqual(["default", "translator", "coder"]);
  } finally {
    await rm(file);
  }
});

test("the profiles are open to the token that the first start makes", async () => {
  const { loadSettings } = await import("../../src/config/load.ts");
  const { Authenticator, defaultToken } = await import("../../src/policy/auth.ts");
  const { profilesOf } = await import("../../src/service/in/requests.ts");
  const [yaml] = blocks("yaml");
  const file = join(home, "profiles.yaml");
  await writeFile(file, yaml!.replace("/srv/checkout", root));
  const { settings, warnings } = loadSettings({ env: { HOME: home }, workingFolder: home, configFile: file });
  const authenticator = new Authenticator({ tokens: [defaultToken("crt_first")], insecureNoAuth: false });
  const caller = authenticator.authenticate("Bearer crt_first");
  expect(profilesOf(caller, settings.profiles)).toEqual(["default", "translator", "coder"]);
  expect(warnings.filter((warning) => !warning.includes("run without isolation"))).toEqual([]);
});

test("the line that exports the token finds the one that a first start made", async () => {
  const { ensureTokenFile } = await import("../../src/server/token-file.ts");
  const { token } = await ensureTokenFile(join(home, ".local/state/claude-runner/token"));
  const command = blocks("sh").find((block) => block.startsWith("export CLAUDE_RUNNER_TOKEN"))!;
  expect(await shell(`${command}\nprintf %s "$CLAUDE_RUNNER_TOKEN"`)).toBe(token);
});

test("no command that it shows can run a stranger's program", () => {
  // By name and from any folder, npx and pip would get what somebody else has published.
  expect(readme).not.toMatch(/npx (?!--no |@bufbuild\/)/);
  expect(readme).not.toMatch(/pip install (?!\.\/)|npm install|npm i |cargo add|go (get|install) /);
});

test("every command that it names exists", async () => {
  const { scripts } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  for (const [, name] of readme.matchAll(/`npm run ([a-z:]+)/g)) expect(Object.keys(scripts)).toContain(name);
  const { stdout } = await run(process.execPath, [join(root, "bin/claude-runner.js"), "--help"]);
  const typed = [...readme.matchAll(/bin\/claude-runner\.js ([a-z]+)/g)].map(([, name]) => name);
  expect(typed).toContain("chat");
  for (const name of typed) expect(stdout).toContain(`  ${name}`);
});
