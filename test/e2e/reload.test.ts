/**
 * Tokens that are read again while the server runs: what they may change, and what not. No turn is run, so there is no
 * Claude Code either.
 */
import { once } from "node:events";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Runner, startRunner } from "../../src/main.ts";
import { sha256Of } from "../../src/policy/auth.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { type CallFailed, failureOf, grpcJsClient } from "../contract/transports.ts";
import { LogBook } from "./log-book.ts";
import { type SettingsInput, tenants, testSettings } from "./scene.ts";

const fixtures = new URL("../fixtures/tls", import.meta.url).pathname;

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

describe("a reload of which one part cannot be used", () => {
  let folder: string;
  let runner: Runner;
  const book = new LogBook();
  const files = (name: string) => ({ certFile: join(folder, `${name}.crt`), keyFile: join(folder, `${name}.key`) });
  const settings = (token: string, change: SettingsInput = {}) =>
    testSettings("http://127.0.0.1:9", "/nonexistent", {
      ...change,
      auth: { tokens: [{ tenant: "acme", sha256: sha256Of(token) }], ...change.auth },
      grpc: { tls: files("grpc") },
      web: { tls: files("web") },
      cli: { path: "/nonexistent/claude", workFolder: undefined },
      credentials: { default: { apiKeyFile: join(folder, "api-key") } },
      profiles: { default: { minSpares: 0 } },
    });
  const tenantOf = async (token: string | undefined) => {
    const client = grpcJsClient(`localhost:${runner.grpcAddress.port}`, token, true);
    try {
      return (await client.getInfo()).tenant;
    } catch (error) {
      return (error as CallFailed).reason;
    } finally {
      client.close();
    }
  };
  const subjects = () => Promise.all([runner.grpcAddress.port, runner.webAddress!.port].map(subjectOf));
  const put = async (name: string, certificate: string, key = certificate) => {
    await copyFile(`${fixtures}/${certificate}.crt`, files(name).certFile);
    await copyFile(`${fixtures}/${key}.key`, files(name).keyFile);
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "reload-"));
    for (const name of ["grpc", "web"]) await put(name, "localhost");
    await writeFile(join(folder, "api-key"), "sk-ant-first-0123456789");
    runner = await startRunner({ settings: settings("first"), env: {}, log: book.log });
  });
  afterAll(async () => {
    await runner?.stop({ drainTimeoutMs: 0 });
    await rm(folder, { recursive: true });
  });

  it.each([
    ["a key that does not fit its certificate", () => put("web", "renewed", "localhost"), /web\.tls/],
    ["a certificate that is not there", () => rm(files("web").certFile), /web\.tls\.certFile/],
    ["an API key of two words", () => writeFile(join(folder, "api-key"), "two words"), /more than one word/],
  ])("changes nothing: %s", async (_what, spoil, problem) => {
    await put("grpc", "renewed");
    await spoil();
    await expect(runner.reload(settings("second"))).rejects.toThrow(problem);
    expect(await subjects()).toEqual(["claude-runner test", "claude-runner test"]);
    expect([await tenantOf("first"), await tenantOf("second")]).toEqual(["acme", "UNAUTHENTICATED"]);
    for (const name of ["grpc", "web"]) await put(name, "localhost");
    await writeFile(join(folder, "api-key"), "sk-ant-first-0123456789");
  });

  it("is taken whole when all parts can be used", async () => {
    for (const name of ["grpc", "web"]) await put(name, "renewed");
    await runner.reload(settings("second"));
    expect(await subjects()).toEqual(["claude-runner renewed", "claude-runner renewed"]);
    for (const name of ["grpc", "web"]) await put(name, "localhost");
    await runner.reload(settings("second"));
    expect([await tenantOf("first"), await tenantOf("second")]).toEqual(["UNAUTHENTICATED", "acme"]);
  });

  it("that switches authentication off is warned of, as at a start", async () => {
    const from = book.position;
    await runner.reload(settings("second", { auth: { insecureNoAuth: true, tokens: [] } }));
    expect(await tenantOf(undefined)).toBe("anonymous");
    const warned = book.lines.slice(from).filter(({ level }) => level === "warn");
    expect(warned).toMatchObject([{ message: expect.stringContaining("authentication is off") }]);
  });
});

/** Whom the certificate names that a port shows. */
async function subjectOf(port: number): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ALPNProtocols: ["h2"] });
  await once(socket, "secureConnect");
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return String(subject.CN);
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
