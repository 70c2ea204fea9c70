import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UsageError } from "../../src/commands/command.ts";
import { connect } from "../../src/commands/connection.ts";

let home: string;
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "claude-runner-connection-"));
  writeFileSync(join(home, "token"), "crt_from-a-file\n");
});
afterAll(() => rmSync(home, { recursive: true }));

const connected = (env: Record<string, string>, url?: string) => connect({ url, env: { HOME: home, ...env } });

describe("the server that a command calls", () => {
  it("is the one of CLAUDE_RUNNER_ADDRESS, as for every client", async () => {
    const { url, notice } = await connected({ CLAUDE_RUNNER_ADDRESS: "runner.example:1" });
    expect([url, notice]).toEqual(["runner.example:1", undefined]);
    expect((await connected({ CLAUDE_RUNNER_ADDRESS: "runner.example:1" }, "other.example:2")).url).toBe(
      "other.example:2",
    );
    expect((await connected({})).url).toBe("127.0.0.1:7433");
    expect((await connected({ CLAUDE_RUNNER_ADDRESS: "" })).url).toBe("127.0.0.1:7433");
  });

  it("may still be named by CLAUDE_RUNNER_URL, with a line that says its new name", async () => {
    const former = await connected({ CLAUDE_RUNNER_URL: "former.example:1" });
    expect(former.url).toBe("former.example:1");
    expect(former.notice).toContain("CLAUDE_RUNNER_ADDRESS");
    const both = await connected({ CLAUDE_RUNNER_URL: "a.example:1", CLAUDE_RUNNER_ADDRESS: "b.example:1" });
    expect([both.url, both.notice]).toEqual(["b.example:1", undefined]);
  });

  it("is told by the name of who named it when it is none", async () => {
    await expect(connected({ CLAUDE_RUNNER_ADDRESS: "http://[" })).rejects.toThrow(/^CLAUDE_RUNNER_ADDRESS must be/);
    await expect(connected({}, "ftp://x")).rejects.toThrow(/^--url must be/);
  });

  it("gets the token of CLAUDE_RUNNER_TOKEN, else of the file of CLAUDE_RUNNER_TOKEN_FILE", async () => {
    const address = { CLAUDE_RUNNER_ADDRESS: "runner.example:1" };
    expect((await connected(address)).hasToken).toBe(false);
    expect((await connected({ ...address, CLAUDE_RUNNER_TOKEN: "crt_x" })).hasToken).toBe(true);
    expect((await connected({ ...address, CLAUDE_RUNNER_TOKEN_FILE: join(home, "token") })).hasToken).toBe(true);
    await expect(connected({ ...address, CLAUDE_RUNNER_TOKEN_FILE: join(home, "gone") })).rejects.toThrow(
      /^CLAUDE_RUNNER_TOKEN_FILE: cannot read/,
    );
  });

  it("is trusted by the authority of CLAUDE_RUNNER_CA_FILE, which has to be there", async () => {
    await expect(connected({ CLAUDE_RUNNER_CA_FILE: join(home, "gone.pem") })).rejects.toThrow(UsageError);
  });
});
