/**
 * Every TypeScript snippet of the README compiles, runs as a program that uses the built package, and prints what it promises.
 */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createSecureServer, createServer, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BadRequestSchema, ErrorInfoSchema } from "../src/gen/google/rpc/error_details_pb.ts";
import { Health, ServingStatus } from "../src/health.ts";
import { ClaudeRunner, Outcome, SessionService, type StreamChatResponseSchema, TurnService } from "../src/index.ts";

const here = join(import.meta.dirname, "..");
const bin = join(here, "../../node_modules/.bin");
const fixtures = join(here, "../../test/fixtures/tls");
const run = promisify(execFile);

/** What the server answers to each prompt of the README. */
const answers: Readonly<Record<string, readonly string[]>> = {
  "Say hello": ["Hello ", "there"],
  "Count to a million": ["One", ", two"],
  "My name is Ada.": ["Nice to meet you."],
  "What is my name?": ["Ada."],
  "Write a long report": ["Once upon ", "a time"],
};

/** How long a snippet may run, in milliseconds: less than its turn's deadline, whose timer must not outlive the turn. */
const snippetTimeoutMs = 30_000;

/** What each snippet prints, by the heading above it; the second one below a heading has a 2 behind it. */
const expected: Readonly<Record<string, readonly string[]>> = {
  "The first call": ["Hello there"],
  "The first call 2": [],
  Events: ['Bash {"command":"ls"}', "what follows replaces", "\ndone for 42 µ$"],
  "Cancel and deadline": ["One is enough"],
  Conversation: ["Ada.\n4 messages"],
  Sessions: ["Ada.\n", "turn-1 My name is Ada.\n", "trip-to-lisbon A trip to Lisbon 2"],
  "Streams that rejoin": ["Once upon a time\nit cost 42 µ$, and was over"],
  "Errors and retry": ["prompt: must not be empty\nprofile: must be a name"],
  TLS: ["1.2.3"],
  Tracing: ["Hello there"],
  "Other services": ["serving"],
};

/** Given to every snippet: what only a browser has, and only a page of its own would fill. */
const browser = 'globalThis.sessionStorage = { getItem: () => "token" };';

/** Inside of the package, so that its own name resolves, and a working folder for what the snippets read. */
let folder: string;
let plain: Http2Server;
let secure: Http2Server;

beforeAll(async () => {
  folder = mkdtempSync(join(here, ".snippet-readme-"));
  copyFileSync(join(fixtures, "localhost.crt"), join(folder, "ca.pem"));
  const handler = connectNodeAdapter({ routes });
  const [cert, key] = ["crt", "key"].map((end) => readFileSync(join(fixtures, `localhost.${end}`))) as [Buffer, Buffer];
  plain = createServer(handler);
  secure = createSecureServer({ cert, key }, handler);
  await Promise.all([plain, secure].map((server) => once(server.listen(0, "127.0.0.1"), "listening")));
});

afterAll(() => {
  plain.close();
  secure.close();
  rmSync(folder, { recursive: true });
});

test("no snippet is left out, and all of them compile", { timeout: 60_000 }, async () => {
  expect([...snippets().keys()]).toEqual(Object.keys(expected));
  for (const [at, code] of [...snippets().values()].entries()) writeFileSync(join(folder, `${at + 1}.ts`), code);
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(compiler));
  await run(join(bin, "tsc"), ["-p", folder]).catch(({ stdout }) => expect(stdout).toBe(""));
});

test.each(Object.keys(expected))("the snippet below `%s` runs", { timeout: 60_000 }, async (heading) => {
  const code = snippets().get(heading)!.replace("runner.example.com:7433", addressOf(secure));
  const file = join(folder, "snippet.ts");
  writeFileSync(file, code);
  const env = { PATH: process.env.PATH, CLAUDE_RUNNER_ADDRESS: addressOf(plain), CLAUDE_RUNNER_TOKEN: "token" };
  const args = ["--import", `data:text/javascript,${encodeURIComponent(browser)}`, file];
  const { stdout } = await run(join(bin, "node"), args, { cwd: folder, env, timeout: snippetTimeoutMs });
  for (const words of expected[heading]!) expect(stdout).toContain(words);
});

const compiler = {
  compilerOptions: {
    module: "nodenext",
    target: "es2024",
    lib: ["es2024", "esnext.disposable", "dom"],
    types: ["node"],
    strict: true,
    noEmit: true,
    exactOptionalPropertyTypes: true,
  },
  include: ["*.ts"],
};

function snippets(): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const section of readFileSync(join(here, "README.md"), "utf8").split(/^## /m).slice(1)) {
    const [heading] = section.split("\n", 1);
    for (const [at, [, code]] of [...section.matchAll(/^```ts\n(.*?)^```/gms)].entries()) {
      found.set(at === 0 ? heading! : `${heading} ${at + 1}`, code!);
    }
  }
  return found;
}

function addressOf(server: Http2Server): string {
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

type Event = MessageInitShape<typeof StreamChatResponseSchema>;

const result = { outcome: Outcome.COMPLETED, costUsdMicros: 42n };

function routes(router: ConnectRouter): void {
  router.service(Health, { check: () => ({ status: ServingStatus.SERVING }) });
  router.service(ClaudeRunner, {
    getInfo: () => ({ serverVersion: "1.2.3" }),
    chat({ prompt }, { requestHeader }) {
      expect(requestHeader.get("authorization")).toBe("Bearer token");
      if (prompt === "") throw refusal();
      return { text: answers[prompt]!.join(""), result: { outcome: Outcome.COMPLETED } };
    },
    async *streamChat({ prompt }, { requestHeader }): AsyncGenerator<Event> {
      expect(requestHeader.get("authorization")).toBe("Bearer token");
      let sequence = 0;
      const next = (event: Event["event"]): Event => {
        sequence += 1;
        return { sequence, turnId: "turn-1", event };
      };
      if (prompt === "List the files") {
        yield next({ case: "toolUse", value: { toolName: "Bash", inputJson: '{"command":"ls"}' } });
        yield next({ case: "retracted", value: {} });
      }
      for (const text of answers[prompt] ?? []) yield next({ case: "textDelta", value: { text } });
      yield next({ case: "result", value: result });
    },
  });
  router.service(TurnService, {
    async *attachTurn() {
      yield { message: { case: "event", value: { sequence: 1, event: { case: "result", value: result } } } };
    },
    listTurns: () => ({ turns: [{ id: "turn-1", prompt: [{ text: "My name is Ada." }] }] }),
    interruptTurn: () => ({ interrupted: false }),
  });
  router.service(SessionService, {
    listSessions: () => ({ sessions: [{ id: "trip-to-lisbon", title: "A trip to Lisbon", turnCount: 2 }] }),
    deleteSession: () => ({}),
  });
}

function refusal(): ConnectError {
  const fieldViolations = [
    { field: "prompt", description: "must not be empty" },
    { field: "profile", description: "must be a name" },
  ];
  return new ConnectError("the request breaks two rules", Code.InvalidArgument, undefined, [
    { desc: ErrorInfoSchema, value: { reason: "INVALID_REQUEST", domain: "claude-runner" } },
    { desc: BadRequestSchema, value: { fieldViolations } },
  ]);
}
