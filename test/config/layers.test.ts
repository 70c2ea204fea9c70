import { describe, expect, it } from "vitest";
import { withDerivedDefaults } from "../../src/config/derived-defaults.ts";
import { builtInLayer, fileLayer, merged, overlayLayer } from "../../src/config/layers.ts";

const assigned = (path: string, value: unknown) => ({
  path: path.split("."),
  value,
  source: { kind: "flag", name: "--set" } as const,
});

describe("the layers of settings", () => {
  it("give each setting by the last layer that has it, group by group, and change none of them", () => {
    const first = { grpc: { port: 1, host: "a" }, web: { allowedHosts: ["a", "b"] } };
    const second = { grpc: { port: 2 }, web: { allowedHosts: ["c"] } };
    const before = structuredClone([first, second]);
    expect(merged(first, second)).toEqual({ grpc: { port: 2, host: "a" }, web: { allowedHosts: ["c"] } });
    expect([first, second]).toEqual(before);
  });

  it("forget what stood before a value that is no group", () => {
    expect(merged({ grpc: { port: 1 } }, { grpc: 5 })).toEqual({ grpc: 5 });
    expect(merged({ grpc: { port: 1 } }, { grpc: 5 }, { grpc: { host: "a" } })).toEqual({ grpc: { host: "a" } });
  });

  it("resolve paths where they were written: in the file's folder, and in the working folder", () => {
    const file = fileLayer({ grpc: { tls: { certFile: "tls/cert.pem" } }, cli: { path: "claude" } }, "/etc/runner");
    expect(file).toEqual({ grpc: { tls: { certFile: "/etc/runner/tls/cert.pem" } }, cli: { path: "claude" } });
    const overlay = overlayLayer([assigned("cli.path", "./claude"), assigned("cli.workFolder", "/tmp")], "/home/me");
    expect(overlay).toEqual({ cli: { path: "/home/me/claude", workFolder: "/tmp" } });
  });

  it("open a group that is named and left empty, and leave an empty value empty", () => {
    expect(fileLayer({ profiles: { fast: null }, queue: { timeoutMs: null } }, "/")).toEqual({
      profiles: { fast: {} },
      queue: { timeoutMs: null },
    });
  });

  it("keep of the built-in credential what a variable does not replace, where the file names none", () => {
    const key = [assigned("credentials.default.apiKeyFile", "/key")];
    expect(builtInLayer({}, key)).toEqual({
      credentials: { default: { baseUrlEnv: "ANTHROPIC_BASE_URL", passEnv: [] } },
    });
    expect(builtInLayer({ credentials: {} }, key)).toEqual({});
    expect(builtInLayer({}, [assigned("grpc.port", 1)])).toEqual({});
  });
});

describe("defaults that follow from other settings", () => {
  it("give way to a bound that somebody wrote, and to nothing else", () => {
    expect(withDerivedDefaults({ calls: { maxTimeoutMs: 1_000 } })).toEqual({
      calls: { maxTimeoutMs: 1_000, defaultTimeoutMs: 1_000 },
    });
    expect(withDerivedDefaults({ calls: { maxTimeoutMs: 1_000, defaultTimeoutMs: 9 } })).toMatchObject({
      calls: { defaultTimeoutMs: 9 },
    });
    const profiles = { default: { maxWorkers: 1, maxLimits: { maxDurationMs: 5 } } };
    expect(withDerivedDefaults({ profiles })).toMatchObject({
      profiles: {
        default: {
          minSpares: 1,
          maxLimits: { maxDurationMs: 5, maxModelCallCount: 200 },
          defaultLimits: { maxDurationMs: 5, maxModelCallCount: 50 },
        },
      },
    });
    expect(withDerivedDefaults({ queue: {} })).toEqual({ queue: {} });
  });
});
