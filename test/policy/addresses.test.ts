import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addressKey, type ForwardedHeader, isAddressRange, TrustedProxies } from "../../src/policy/addresses.ts";

describe("what an address counts as", () => {
  it("is itself for IPv4, however it is written", () => {
    expect(addressKey("192.0.2.7")).toBe("192.0.2.7");
    expect(addressKey("::ffff:192.0.2.7")).toBe("192.0.2.7");
    expect(addressKey("::FFFF:c000:207")).toBe("192.0.2.7");
  });

  it("is its /64 for IPv6: one customer cannot come as two", () => {
    const same = [
      "2001:db8:1:2::",
      "2001:DB8:1:2::1",
      "2001:db8:1:2:ffff:ffff:ffff:ffff",
      "2001:0db8:0001:0002::a%eth0",
    ];
    expect(new Set(same.map(addressKey))).toEqual(new Set(["2001:db8:1:2::/64"]));
    expect(addressKey("2001:db8:1:3::1")).not.toBe(addressKey("2001:db8:1:2::1"));
    expect(addressKey("::1")).toBe("0:0:0:0::/64");
    expect(addressKey("fe80::1:2:3:4:5")).toBe("fe80:0:0:1::/64");
  });

  it("is one and the same for whatever is no address", () => {
    for (const text of ["", "unknown", "1.2.3", "_hidden", "host.example"]) expect(addressKey(text)).toBe("unknown");
  });

  it("is the same for all of a /64 and differs between two", () => {
    const group = fc.integer({ min: 0, max: 0xffff }).map((number) => number.toString(16));
    const groups = (count: number) => fc.array(group, { minLength: count, maxLength: count });
    fc.assert(
      fc.property(groups(4), groups(4), groups(4), (network, one, other) => {
        if (network.slice(0, 3).every((part) => part === "0")) return; // those hold IPv4
        const keys = [one, other].map((host) => addressKey([...network, ...host].join(":")));
        expect(keys[0]).toBe(keys[1]);
        const [first = "", ...rest] = network;
        const elsewhere = [(Number.parseInt(first, 16) ^ 1).toString(16), ...rest, ...one].join(":");
        expect(addressKey(elsewhere)).not.toBe(keys[0]);
      }),
    );
  });
});

describe("a range in the settings", () => {
  it("is an address or a CIDR range", () => {
    for (const good of ["127.0.0.1", "10.0.0.0/8", "::1", "fd00::/8", "0.0.0.0/0"]) {
      expect(isAddressRange(good), good).toBe(true);
    }
    for (const bad of ["", "proxy.example", "10.0.0.0/33", "10.0.0/8", "::1/129", "10.0.0.0/", "10.0.0.0/8/8", "*"]) {
      expect(isAddressRange(bad), bad).toBe(false);
    }
  });
});

describe("a request from a proxy of the settings", () => {
  const client = (
    value: string | undefined,
    { from = "10.0.0.1", header = "x-forwarded-for" as ForwardedHeader, other = undefined as string | undefined } = {},
  ) =>
    new TrustedProxies(["10.0.0.0/8", "fd00::/8"], header).clientOf(from, (name) => (name === header ? value : other));

  it("counts for the right-most address that is no such proxy", () => {
    expect(client("192.0.2.1")).toBe("192.0.2.1");
    expect(client("192.0.2.1, 10.0.0.7")).toBe("192.0.2.1");
    expect(client("192.0.2.1:443")).toBe("192.0.2.1");
    expect(client("[2001:db8::1]:443, [fd00::2]")).toBe("2001:db8::1");
    expect(client("192.0.2.1", { from: "::ffff:10.1.2.3" })).toBe("192.0.2.1");
  });

  it("does not count for what its client has written in front of that", () => {
    expect(client("198.51.100.9, 192.0.2.1")).toBe("192.0.2.1");
    expect(client("10.0.0.9, 198.51.100.9, 192.0.2.1, 10.0.0.7")).toBe("192.0.2.1");
  });

  it("counts for the last proxy that could be believed, where the header goes wrong", () => {
    for (const value of [undefined, "", "unknown", "192.0.2.1, nonsense", "192.0.2.1,"])
      expect(client(value)).toBe("10.0.0.1");
    expect(client("192.0.2.1, _hidden, 10.0.0.7")).toBe("10.0.0.7");
    expect(client("10.0.0.8, 10.0.0.7")).toBe("10.0.0.8");
  });

  it("is believed in the header of the settings only: the other one is passed on as the client sent it", () => {
    expect(client(undefined, { other: "for=192.0.2.1" })).toBe("10.0.0.1");
    expect(client("for=192.0.2.1", { header: "forwarded", other: "198.51.100.9" })).toBe("192.0.2.1");
  });

  it("may speak as RFC 7239 does", () => {
    const forwarded = (value: string) => client(value, { header: "forwarded" });
    expect(forwarded('for=198.51.100.9, for="[2001:db8::1]:4711";proto=https;by=10.0.0.2')).toBe("2001:db8::1");
    expect(forwarded('proto=https;For=192.0.2.1, for="10.0.0.7"')).toBe("192.0.2.1");
    expect(forwarded('for=192.0.2.1;ext="a, for=198.51.100.9"')).toBe("192.0.2.1");
    expect(forwarded("for=192.0.2.1, for=unknown")).toBe("10.0.0.1");
    expect(forwarded("by=10.0.0.2")).toBe("10.0.0.1");
  });

  it("costs no more than its header is long", () => {
    const proxies = new TrustedProxies(["10.0.0.0/8"], "forwarded");
    const cost = (commas: number) => {
      const value = ',"'.repeat(commas);
      const before = process.cpuUsage();
      for (let round = 0; round < 20; round += 1) proxies.clientOf("10.0.0.1", () => value);
      const { user, system } = process.cpuUsage(before);
      return user + system;
    };
    cost(1_000);
    expect(cost(80_000)).toBeLessThan(200 * Math.max(500, cost(4_000)));
  });
});

describe("anybody else", () => {
  it("counts for the address that it comes from, whatever it forwards", () => {
    const proxies = new TrustedProxies(["10.0.0.1"], "x-forwarded-for");
    expect(proxies.clientOf("198.51.100.9", () => "192.0.2.1")).toBe("198.51.100.9");
    expect(new TrustedProxies([], "forwarded").clientOf("127.0.0.1", () => "for=192.0.2.1")).toBe("127.0.0.1");
  });
});
