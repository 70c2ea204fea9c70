import { describe, expect, it } from "vitest";
import { checkSettings } from "../../src/config/checks.ts";
import type { Disk } from "../../src/config/disk.ts";
import { settingsSchema } from "../../src/config/settings.ts";

/** A disk that has what is named, and nothing else. */
const diskWith = (...paths: readonly string[]): Disk => ({
  isFolder: (path) => paths.includes(path),
  pemProblem: (file) => (paths.includes(file) ? undefined : "does not exist"),
});
const tools = { tools: ["Read"], isolation: "none", tenant: "acme", workspace: { path: "/work" } };
const brokenBy = (input: object, disk: Disk) =>
  checkSettings(settingsSchema.parse(input), disk).broken.map(({ path, problem }) => `${path.join(".")} ${problem}`);

describe("the rules between settings", () => {
  it("have nothing against the defaults, whatever is on the disk", () => {
    expect(checkSettings(settingsSchema.parse({}), diskWith())).toEqual({ broken: [], warnings: [] });
  });

  it("want each certificate and key to be readable, and say of which setting it is not", () => {
    const tls = { certFile: "/tls/cert.pem", keyFile: "/tls/key.pem" };
    const input = { grpc: { tls }, web: { tls: { ...tls, clientCaFile: "/tls/ca.pem" } } };
    expect(brokenBy(input, diskWith("/tls/cert.pem", "/tls/key.pem"))).toEqual([
      "web.tls.clientCaFile names /tls/ca.pem, which does not exist",
    ]);
    expect(brokenBy(input, diskWith("/tls/cert.pem", "/tls/key.pem", "/tls/ca.pem"))).toEqual([]);
  });

  it("want a session's usual expiry to be one that callers may ask for", () => {
    const store = { sessionIdleExpiryMs: 120_000, maxSessionIdleExpiryMs: 60_000 };
    expect(brokenBy({ store }, diskWith())).toEqual([expect.stringMatching(/^store\.sessionIdleExpiryMs is 120000, /)]);
  });

  it("want a profile's workspace to be a folder", () => {
    expect(brokenBy({ profiles: { default: tools } }, diskWith("/work"))).toEqual([]);
    expect(brokenBy({ profiles: { default: tools } }, diskWith())).toEqual([
      expect.stringMatching(/^profiles\.default\.workspace\.path names \/work, /),
    ]);
  });

  it("want a conversation to fill up before it is full", () => {
    const profile = { contextNoticeTokens: 2, contextFullTokens: 1 };
    expect(brokenBy({ profiles: { default: profile } }, diskWith())).toEqual([
      "profiles.default.contextNoticeTokens is 2, which is more than `contextFullTokens`, 1",
    ]);
    expect(brokenBy({ profiles: { default: { ...profile, contextFullTokens: 2 } } }, diskWith())).toEqual([]);
    expect(brokenBy({ profiles: { default: { contextNoticeTokens: 2 } } }, diskWith())).toEqual([]);
  });

  it("name every setting that is in the way of another at once", () => {
    const profile = {
      ...tools,
      credential: "none",
      maxLimits: { maxDurationMs: 1 },
      defaultLimits: { maxDurationMs: 2 },
    };
    const broken = brokenBy({ profiles: { default: profile }, calls: { maxTimeoutMs: 1_000 } }, diskWith("/work"));
    expect(broken.map((line) => line.split(" ", 1)[0])).toEqual([
      "profiles.default.credential",
      "profiles.default.defaultLimits.maxDurationMs",
      "calls.defaultTimeoutMs",
    ]);
  });
});
