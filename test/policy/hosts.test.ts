import { describe, expect, it } from "vitest";
import { isAllowedHost, isAllowedOrigin, isLoopback } from "../../src/policy/hosts.ts";

describe("the Host rule", () => {
  const rules = { allowedHosts: ["Runner.example.com", "[2001:db8::7]"], localAddress: "10.0.0.5" };

  it.each([
    "localhost",
    "localhost:7434",
    "127.0.0.1:1",
    "[::1]:7434",
    "LOCALHOST",
    "runner.example.com",
    "RUNNER.example.com:443",
    "[2001:db8::7]:443",
    "10.0.0.5:7434",
  ])("answers for %s", (authority) => {
    expect(isAllowedHost(authority, rules)).toBe(true);
  });

  it.each([
    undefined,
    "",
    "evil.example.com",
    "runner.example.com.evil.com",
    "localhost.evil.com",
    "evil.com#localhost",
    "user@localhost",
    "localhost/evil",
    "localhost:port",
    "localhost:65536",
    "10.0.0.6",
    "[::1",
    "127.0.0.1.nip.io",
  ])("does not answer for %s", (authority) => {
    expect(isAllowedHost(authority, rules)).toBe(false);
  });

  it("knows the connection's own IPv4 address also when the socket is an IPv6 one", () => {
    expect(isAllowedHost("10.0.0.5", { allowedHosts: [], localAddress: "::ffff:10.0.0.5" })).toBe(true);
    expect(isAllowedHost("10.0.0.5", { allowedHosts: [], localAddress: undefined })).toBe(false);
  });
});

describe("the Origin rule", () => {
  it("lets callers in that are no web pages, and pages of the origins that the settings name", () => {
    expect(isAllowedOrigin(undefined, [])).toBe(true);
    expect(isAllowedOrigin("https://app.example.com", ["https://app.example.com"])).toBe(true);
  });

  it.each(["null", "https://app.example.com.evil.com", "http://app.example.com", "https://app.example.com:8443", ""])(
    "keeps out %s",
    (origin) => {
      expect(isAllowedOrigin(origin, ["https://app.example.com"])).toBe(false);
    },
  );
});

describe("a loopback address", () => {
  it.each(["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LocalHost"])("is %s", (host) => {
    expect(isLoopback(host)).toBe(true);
  });
  it.each(["0.0.0.0", "::", "10.0.0.1", "127.example.com", "example.com", ""])("is not %s", (host) => {
    expect(isLoopback(host)).toBe(false);
  });
});
