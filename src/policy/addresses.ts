/**
 * Whom a remote address stands for: the key that connections, calls and bytes are counted by.
 *
 * Pure functions of strings. An address that the settings name as a proxy stands for the one that it forwards, and is
 * believed as far as the chain of such proxies goes: a caller may write anything into the header, and a proxy appends,
 * so it is read from the right. Only the header that the settings name counts, since a proxy passes the other one on as
 * its client sent it.
 */
import { BlockList, isIP, SocketAddress } from "node:net";

/** The headers in which proxies say for whom they call. */
export const forwardedHeaders = ["x-forwarded-for", "forwarded"] as const;
export type ForwardedHeader = (typeof forwardedHeaders)[number];

/** What counts as one: an IPv4 address; for IPv6 the /64, which is what one customer has of it. */
export function addressKey(address: string): string {
  const canonical = canonicalAddress(address);
  if (canonical === undefined) return "unknown";
  if (isIP(canonical) === 4) return canonical;
  const [head = "", tail] = canonical.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  const groups = [...before, ...Array<string>(zeros).fill("0"), ...after];
  return `${groups.slice(0, 4).join(":")}::/64`;
}

/** One spelling of an address; IPv4 within IPv6 is IPv4. `undefined` for anything else. */
function canonicalAddress(address: string): string | undefined {
  const bare = address.split("%", 1)[0] ?? "";
  const version = isIP(bare);
  if (version === 0) return undefined;
  if (version === 4) return bare;
  const canonical = new SocketAddress({ address: bare, family: "ipv6" }).address;
  const mapped = /^::ffff:([\d.]+)$/.exec(canonical)?.[1];
  return mapped ?? canonical;
}

/** An address or a range of addresses, such as `10.0.0.0/8`. */
interface Range {
  readonly address: string;
  readonly version: "ipv4" | "ipv6";
  readonly prefixBits: number;
}

function rangeOf(text: string): Range | undefined {
  const match = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text);
  const address = match?.[1] ?? "";
  const version = isIP(address);
  if (version === 0) return undefined;
  const most = version === 4 ? 32 : 128;
  const prefixBits = Number(match?.[2] ?? most);
  if (prefixBits > most) return undefined;
  return { address, version: version === 4 ? "ipv4" : "ipv6", prefixBits };
}

/** Whether a text names an address or a range of them. */
export function isAddressRange(text: string): boolean {
  return rangeOf(text) !== undefined;
}

/** Addresses that the settings name, one by one or as ranges. */
export class AddressRanges {
  readonly #list = new BlockList();

  constructor(ranges: readonly string[]) {
    for (const text of ranges) {
      const range = rangeOf(text);
      if (range !== undefined) this.#list.addSubnet(range.address, range.prefixBits, range.version);
    }
  }

  /** Whether an address is one of them. */
  has(address: string): boolean {
    const canonical = canonicalAddress(address);
    return canonical !== undefined && this.#list.check(canonical, isIP(canonical) === 4 ? "ipv4" : "ipv6");
  }
}

/** The proxies that the settings name, and what they forward. */
export class TrustedProxies extends AddressRanges {
  readonly #header: ForwardedHeader;

  constructor(ranges: readonly string[], header: ForwardedHeader) {
    super(ranges);
    this.#header = header;
  }

  /**
   * Whom a request from this address is for: the right-most address of the header that is no proxy of ours. What cannot
   * be read ends the chain, and the last proxy that could be believed stands for all that is behind it.
   */
  clientOf(address: string, headerOf: (name: ForwardedHeader) => string | undefined): string {
    if (!this.has(address)) return address;
    const value = headerOf(this.#header) ?? "";
    const hops = this.#header === "forwarded" ? elementsOf(value) : value.split(",");
    let believed = address;
    for (const hop of hops.reverse()) {
      const one = addressOf(this.#header === "forwarded" ? forOf(hop) : hop);
      if (one === undefined) return believed;
      believed = one;
      if (!this.has(one)) return one;
    }
    return believed;
  }
}

/** The elements of `Forwarded`: a comma within quotes separates nothing. */
function elementsOf(value: string): string[] {
  const elements: string[] = [];
  let from = 0;
  let isQuoted = false;
  for (let at = 0; at < value.length; at += 1) {
    if (value[at] === '"') isQuoted = !isQuoted;
    if (value[at] !== "," || isQuoted) continue;
    elements.push(value.slice(from, at));
    from = at + 1;
  }
  return [...elements, value.slice(from)];
}

/** The value of `for` in one element of `Forwarded`. */
function forOf(element: string): string {
  for (const pair of element.split(";")) {
    const match = /^\s*for\s*=\s*("?)([^"]*)\1\s*$/i.exec(pair);
    if (match?.[2] !== undefined) return match[2];
  }
  return "";
}

/** The address of `address`, `address:port` or `[address]:port`. */
function addressOf(node: string): string | undefined {
  const match = /^(?:\[([^\]]+)\](?::\d{1,5})?|(\d+\.\d+\.\d+\.\d+)(?::\d{1,5})?|([\da-fA-F:.]+))$/.exec(node.trim());
  return canonicalAddress(match?.[1] ?? match?.[2] ?? match?.[3] ?? "");
}
