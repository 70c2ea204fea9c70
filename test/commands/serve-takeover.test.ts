import { describe, expect, it } from "vitest";
import { isSamePort, withAddresses } from "../../src/commands/serve-takeover.ts";
import { settingsSchema } from "../../src/config/settings.ts";
import { exposureProblems } from "../../src/server/exposure.ts";

const settingsOf = (input: Parameters<typeof settingsSchema.parse>[0] = {}) => settingsSchema.parse(input);

describe("settings at the addresses of sockets from systemd", () => {
  it("are held to the rules for what other machines can reach", () => {
    const settings = withAddresses(
      settingsOf(),
      new Map([["grpc", { address: { host: "0.0.0.0", port: 443 } }] as const]),
    );
    expect(settings.grpc).toMatchObject({ host: "0.0.0.0", port: 443 });
    expect(settings.web).toMatchObject({ host: "127.0.0.1", port: 7434 });
    expect(exposureProblems(settings)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^grpc\.host: .*grpc\.tls/)]),
    );
  });

  it("are refused for a port that is off, whose connections nobody would accept", () => {
    const sockets = new Map([["web", { address: { host: "127.0.0.1", port: 7434 } }] as const]);
    expect(() => withAddresses(settingsOf({ web: { enabled: false } }), sockets)).toThrow(/^web\.enabled: is off/);
  });
});

describe("a port of the running server", () => {
  const running = { name: "web", host: "localhost", address: "127.0.0.1", port: 7434 } as const;

  it("is taken over where the settings want it, by its name or its address, or at any free port", () => {
    expect(isSamePort(settingsOf(), running)).toBe(true);
    expect(isSamePort(settingsOf({ web: { host: "localhost" } }), running)).toBe(true);
    expect(isSamePort(settingsOf({ web: { port: 0 } }), running)).toBe(true);
    expect(isSamePort(settingsOf({ web: { host: "[::1]" } }), { ...running, address: "::1" })).toBe(true);
  });

  it("is left to it where they want another one, or none", () => {
    expect(isSamePort(settingsOf({ web: { port: 80 } }), running)).toBe(false);
    expect(isSamePort(settingsOf({ web: { host: "127.0.0.2" } }), running)).toBe(false);
    expect(isSamePort(settingsOf({ web: { enabled: false } }), running)).toBe(false);
  });
});
