import { describe, expect, it } from "vitest";
import { isAllowedHost, isAllowedOrigin, isLoopback, ownOrigin } from "../../src/policy/hosts.ts";

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

describe("the origin that a request was sent to", () => {
  const of = (authority: string, isEncrypted = false, behindProxy = false) =>
    ownOrigin({ authority, isEncrypted, behindProxy });

  it("is made of the connection's scheme and the Host", () => {
    expect(of("127.0.0.1:7434")).toBe("http://127.0.0.1:7434");
    expect(of("[::1]:7434")).toBe("http://[::1]:7434");
    expect(of("localhost")).toBe("http://localhost");
    expect(of("runner.example.com:8443", true)).toBe("https://runner.example.com:8443");
  });

  it("is spelled as browsers spell it: without the scheme's own port, in lower case", () => {
    expect(of("Runner.example.com:443", true)).toBe("https://runner.example.com");
    expect(of("localhost:80")).toBe("http://localhost");
  });

  it("is https behind a proxy, for every name but a loopback one", () => {
    expect(of("runner.example.com", false, true)).toBe("https://runner.example.com");
    expect(of("localhost:7434", false, true)).toBe("http://localhost:7434");
    expect(of("127.0.0.1:7434", false, true)).toBe("http://127.0.0.1:7434");
  });

  it.each(["", "user@localhost", "localhost/path", "evil.com#localhost", "[::1"])("is none for %j", (authority) => {
    expect(of(authority)).toBeUndefined();
  });
});

describe("a loopback address", () => {
  it.each(["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LocalHost"])("is %s", (host) => {
    expect(isLoopback(host)).toBe(true);
  });
  it.each(["0.0.0.0", "::", "10.0.0.1", "127.example.com", "example.com", ""])("is not %s", (host) => {
    expect(isLoopback(host)).toBe(false);
  });
});
