import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestServers, type TestServers, testToken } from "./scripted-runner.ts";

const run = promisify(execFile);
const buf = new URL("../../node_modules/.bin/buf", import.meta.url).pathname;

let test: TestServers;
beforeAll(async () => {
  test = await startTestServers();
});
afterAll(() => test.stop());

/** A client that was written by others, knows no schema, and asks the server for it. */
async function bufCurl(
  port: number,
  protocol: string,
  method: string,
  data: object,
  token = testToken,
): Promise<string> {
  const url = `http://127.0.0.1:${port}/claude.runner.v1.ClaudeRunner/${method}`;
  const options = ["--protocol", protocol, "--http2-prior-knowledge", "--header", `authorization: Bearer ${token}`];
  const reflect = ["--reflect-header", `authorization: Bearer ${token}`];
  const { stdout } = await run(buf, ["curl", ...options, ...reflect, "--data", JSON.stringify(data), url]);
  return stdout;
}

describe("buf curl, by reflection alone", () => {
  it.each([
    ["grpc", "grpc"],
    ["web", "grpc"],
    ["web", "grpcweb"],
    ["web", "connect"],
  ] as const)("streams from the %s port by %s", async (name, protocol) => {
    const port = name === "grpc" ? test.target.grpcPort : test.target.webPort;
    const out = await bufCurl(port, protocol, "StreamChat", { prompt: "count 2" });
    expect(out.match(/"text":\s*"\d"/g)).toHaveLength(2);
    expect(JSON.parse(await bufCurl(port, protocol, "Chat", { prompt: "count 2" }))).toEqual({ text: "12" });
  });

  it("gets no schema without a token", async () => {
    await expect(bufCurl(test.target.webPort, "grpc", "Chat", { prompt: "count 1" }, "wrong")).rejects.toThrow(
      /failed to find service/,
    );
  });
});
