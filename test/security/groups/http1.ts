/** HTTP/1.1 that two servers could read differently, and bytes that are none. */
import { expect } from "vitest";
import type { Attack, AttackGroup } from "../attack.ts";
import { bearer, paths, tokens } from "../lab.ts";
import { tcp } from "../wire.ts";

const head = (lines: readonly string[], body = "") =>
  Buffer.from(
    [
      `POST ${paths.getInfo} HTTP/1.1`,
      "Host: localhost",
      "Content-Type: application/json",
      bearer(tokens.acme).join(": "),
      "Connection: close",
      ...lines,
      "",
      body,
    ].join("\r\n"),
    "latin1",
  );

/** Requests of which one server sees one, and another two. */
const ambiguous: readonly (readonly [tries: string, bytes: Buffer])[] = [
  [
    "Content-Length together with Transfer-Encoding",
    head(["Content-Length: 2", "Transfer-Encoding: chunked"], "0\r\n\r\n"),
  ],
  ["two different Content-Length lines", head(["Content-Length: 2", "Content-Length: 3"], "{}")],
  ["a list as Content-Length", head(["Content-Length: 2, 2"], "{}")],
  ["Content-Length: +2", head(["Content-Length: +2"], "{}")],
  ["Content-Length: -1", head(["Content-Length: -1"], "{}")],
  ["Content-Length: 0x2", head(["Content-Length: 0x2"], "{}")],
  ["Content-Length of 23 digits", head(["Content-Length: 99999999999999999999999"], "{}")],
  ["Transfer-Encoding: xchunked", head(["Transfer-Encoding: xchunked"], "2\r\n{}\r\n0\r\n\r\n")],
  ["Transfer-Encoding: chunked, identity", head(["Transfer-Encoding: chunked, identity"], "2\r\n{}\r\n0\r\n\r\n")],
  ["a chunk size that overflows", head(["Transfer-Encoding: chunked"], "fffffffffffffffff2\r\n{}\r\n0\r\n\r\n")],
  ["a chunk size with a sign", head(["Transfer-Encoding: chunked"], "+2\r\n{}\r\n0\r\n\r\n")],
  ["a chunk longer than its size", head(["Transfer-Encoding: chunked"], "1\r\n{}\r\n0\r\n\r\n")],
  ["a lone line feed in the chunks", head(["Transfer-Encoding: chunked"], "2\n{}\n0\n\n")],
  [
    "lone line feeds as line ends",
    Buffer.from(`POST ${paths.getInfo} HTTP/1.1\nHost: localhost\nContent-Length: 2\n\n{}`),
  ],
  ["a lone carriage return in a header", head(["X-Odd: a\rX-Other: b", "Content-Length: 2"], "{}")],
  ["NUL in a header", head(["X-Odd: a\0b", "Content-Length: 2"], "{}")],
  ["HTTP/3.7", Buffer.from(`POST ${paths.getInfo} HTTP/3.7\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}`)],
  ["17 KB of headers", head([`X-Large: ${"x".repeat(17_000)}`, "Content-Length: 2"], "{}")],
  ["2,500 short headers", head([...Array.from({ length: 2_500 }, (_, at) => `x${at}: 1`), "Content-Length: 2"], "{}")],
  ["a request line of 40 KB", Buffer.from(`POST /${"x".repeat(40_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`)],
];

export const http1Bytes: AttackGroup = {
  title: "HTTP/1.1",
  file: "http1.ts",
  attacks: ambiguous.map(
    ([tries, bytes]): Attack => ({
      tries,
      expects: "is refused, or the connection ends",
      async run(lab) {
        const answer = (await tcp(lab.port("web"), bytes)).toString("latin1");
        const statuses = [...answer.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
        expect(statuses.length, answer).toBeLessThanOrEqual(1);
        for (const status of statuses) expect(status, answer).toBeGreaterThanOrEqual(400);
        expect(answer).not.toContain("serverVersion");
      },
    }),
  ),
};
