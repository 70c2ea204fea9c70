import { describe, expect, it } from "vitest";
import { logText } from "../../src/commands/log-text.ts";
import { addressText, startSummary } from "../../src/commands/serve-summary.ts";
import { styleFor } from "../../src/commands/terminal.ts";
import { loadSettings } from "../../src/config/load.ts";
import { createLog } from "../../src/telemetry/log.ts";

const plain = styleFor(false, {});
const address = { host: "127.0.0.1", port: 1234 };
const loaded = () => loadSettings({ env: { HOME: "/nonexistent" }, workingFolder: "/nonexistent" });

describe("what a person sees of a server", () => {
  it("is where it is, who may call and what to try", () => {
    const tokenNotice = { token: "crt_new", file: "/state/token", isNew: true };
    const text = startSummary(
      loaded(),
      { grpcAddress: address, webAddress: address, adminAddress: undefined, tokenNotice, missingCredentials: [] },
      plain,
    );
    expect(text).toContain("gRPC     127.0.0.1:1234");
    expect(text).toContain("web      http://127.0.0.1:1234");
    expect(text).toContain("page     http://127.0.0.1:1234/  for a browser");
    expect(text).not.toContain("admin");
    expect(text).toContain("crt_new");
    expect(text).toContain("kept in /state/token");
    expect(text).toMatch(/claude-runner chat .*"Say hello"/);
  });

  it("shows the token of the first start at the first start only", () => {
    const tokenNotice = { token: "crt_old", file: "/state/token", isNew: false };
    const text = startSummary(
      loaded(),
      { grpcAddress: address, webAddress: address, adminAddress: address, tokenNotice, missingCredentials: [] },
      plain,
    );
    expect(text).not.toContain("crt_old");
    expect(text).toContain("/token");
  });

  it("ends with what has to be done when no key is there, and offers nothing that cannot work", () => {
    const why = 'credential "default": the environment variable ANTHROPIC_API_KEY of the server is not set';
    const places = { grpcAddress: address, webAddress: address, adminAddress: address, tokenNotice: undefined };
    const text = startSummary(loaded(), { ...places, missingCredentials: [{ credential: "default", why }] }, plain);
    const last = text.trimEnd().split("\n").at(-1);
    expect(last).toBe(
      `error: no turn can be served: ${why}; set it and start again, or see the server work without one: \`claude-runner demo\``,
    );
    expect(text).not.toContain("Try it in another terminal");
  });

  it("writes IPv6 addresses so that they can be used", () => {
    expect(addressText({ host: "::1", port: 1 })).toBe("[::1]:1");
  });

  it("has log lines for eyes: time, level, message, fields, errors below", () => {
    const lines: string[] = [];
    const log = createLog({ level: "info", write: (line) => lines.push(logText(line, plain)) });
    log.warn({ turnId: "t1", waitedMs: 3, list: [1] }, "slow");
    log.error({ err: new Error("boom") }, "failed");
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d warn {2}slow {2}turnId=t1 waitedMs=3 list=\[1\]\n$/);
    expect(lines[1]).toMatch(/^\d\d:\d\d:\d\d error failed\n {4}Error: boom\n {8}at /);
  });

  it("lets no log line move the cursor", () => {
    const line = JSON.stringify({ time: "2026-01-01T09:00:00.000Z", level: "info", message: "a\x1b[2Jb", x: "\x07" });
    expect(logText(line, plain)).toBe("09:00:00 info  a[2Jb  x=\n");
  });

  it("lets no caller's words look like a line of the server, or turn what follows round", () => {
    const forged = "x\n09:00:00 error all is lost\u2028again\u202eback\u2066";
    const line = JSON.stringify({ time: "2026-01-01T09:00:00.000Z", level: "info", message: forged, label: forged });
    const text = logText(line, plain);
    expect(text.match(/\n/g)).toHaveLength(1);
    expect(text).not.toMatch(/[\u2028\u202e\u2066]/);
    expect(logText(`no JSON\u202e\nat all\n`, plain)).toBe("no JSON at all\n");
  });

  it("is coloured for people who want that only", () => {
    expect(styleFor(true, {}).red("x")).toBe("\x1b[31mx\x1b[39m");
    for (const style of [styleFor(false, {}), styleFor(true, { NO_COLOR: "1" }), styleFor(true, { TERM: "dumb" })]) {
      expect(style.red("x")).toBe("x");
    }
  });
});
