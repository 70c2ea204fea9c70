/**
 * Tokens that are read again while the server runs: what they may change, and what not. No turn is run, so there is no
 * Claude Code either.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Runner, startRunner } from "../../src/main.ts";
import { sha256Of } from "../../src/policy/auth.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { failureOf, grpcJsClient } from "../contract/transports.ts";
import { type SettingsInput, tenants, testSettings } from "./scene.ts";

/** To the rules an address that others can reach; in truth the loopback. */
const host = "127.1";

function settingsWith(auth: SettingsInput["auth"] = {}) {
  return testSettings("http://127.0.0.1:9", "/nonexistent", {
    auth,
    behindProxy: true,
    grpc: { host },
    web: { enabled: false },
    cli: { path: "/nonexistent/claude", workFolder: undefined },
    profiles: { default: { minSpares: 0 } },
  });
}

describe("a server that others can reach", () => {
  let runner: Runner;
  beforeAll(async () => {
    runner = await startRunner({ settings: settingsWith(), env: {}, log: silentLog });
  });
  afterAll(() => runner.stop({ drainTimeoutMs: 0 }));

  const tenantOf = async (token: string | undefined) => {
    const client = grpcJsClient(`ipv4:127.0.0.1:${runner.grpcAddress.port}`, token);
    try {
      return (await client.getInfo()).tenant;
    } finally {
      client.close();
    }
  };

  it.each([
    ["no authentication", { insecureNoAuth: true }, /auth\.insecureNoAuth/],
    ["no configured token", { tokens: [] }, /auth\.tokens/],
  ])("refuses to go on with %s, as a start would", async (_, auth, problem) => {
    await expect(runner.reload(settingsWith(auth))).rejects.toThrow(problem);
    expect(await tenantOf(tenants.acme)).toBe("acme");
    expect(await failureOf(tenantOf(undefined))).toMatchObject({ reason: "UNAUTHENTICATED" });
  });

  it("goes by new tokens", async () => {
    await runner.reload(settingsWith({ tokens: [{ tenant: "fresh", sha256: sha256Of("fresh-token") }] }));
    expect(await tenantOf("fresh-token")).toBe("fresh");
    expect(await failureOf(tenantOf(tenants.acme))).toMatchObject({ reason: "UNAUTHENTICATED" });
  });
});
