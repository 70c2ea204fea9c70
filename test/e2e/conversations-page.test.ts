/** The programs of docs/conversations.md run as they are, in the order in which the page has them. */
import { execFile } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type DemoScene, openDemoScene } from "../../src/commands/demo-scene.ts";
import { silentLog } from "../../src/telemetry/log.ts";

const root = join(import.meta.dirname, "../..");
const run = promisify(execFile);
let scene: DemoScene;
let page: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  scene = await openDemoScene({ grpc: 0, web: 0 }, silentLog);
  page = await readFile(join(root, "docs/conversations.md"), "utf8");
  const { host, port } = scene.runner.grpcAddress;
  env = {
    PATH: process.env.PATH,
    CLAUDE_RUNNER_TOKEN: scene.token,
    CLAUDE_RUNNER_ADDRESS: `${host}:${port}`,
    CLAUDE_RUNNER_WEB_ADDRESS: `http://127.0.0.1:${scene.runner.webAddress!.port}`,
  };
});
afterAll(() => scene?.close());

const blocks = (language: string): string[] =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, "gs"))].map(([, code]) => code!);

async function shell(command: string): Promise<string> {
  const here = command.replaceAll("127.0.0.1:7434", `127.0.0.1:${scene.runner.webAddress!.port}`);
  return (await run("sh", ["-c", here], { env, cwd: root })).stdout;
}

test("a session is made by its first turn, and goes on in another language", async () => {
  const [first] = blocks("sh");
  expect(JSON.parse(await shell(first!))).toMatchObject({
    started: { sessionId: "trip", conversationSource: "CONVERSATION_SOURCE_NEW" },
  });
  const [code] = blocks("ts");
  const file = join(root, `.conversations-example-${process.pid}.ts`);
  await writeFile(file, code!.replace("@claude-runner/client/node", "./clients/typescript/src/node.ts"));
  try {
    const { stdout } = await run(process.execPath, [file], { env, cwd: root });
    expect(stdout).toContain("“My name is Ada.”");
  } finally {
    await rm(file);
  }
});

test("a turn is read again after an event", async () => {
  const [, begin, attach] = blocks("sh");
  const whole = await shell(begin!);
  expect(whole).toMatch(/^event: started\nid: 1\n/);
  const again = await shell(attach!);
  expect(again).toMatch(/^event: state\ndata: /);
  expect(again).not.toMatch(/^id: [12]$/m);
  expect(again).toContain("event: replayComplete\n");
  const events = (text: string) => [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
  expect(events(again)).toEqual(events(whole).slice(2));
});

test("the Python program prints a turn of the session", async () => {
  const [code] = blocks("python");
  const { stdout } = await run("python3", ["-c", code!], { env, cwd: root });
  expect(stdout).toContain("“Say hello”");
  expect(stdout).toContain("Before, you told me");
});
