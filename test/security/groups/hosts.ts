/** Names under which the server must not answer: DNS rebinding, smuggled targets, hosts that disagree. */
import { expect } from "vitest";
import type { Attack, AttackGroup } from "../attack.ts";
import { bearer, letIn, paths, tokens } from "../lab.ts";
import { type HeaderLine, http1, http2 } from "../wire.ts";

const foreignHosts = [
  "evil.example",
  "localhost.evil.example",
  "evil.example:7434",
  "127.0.0.1.evil.example",
  "localhost@evil.example",
  "localhost/evil.example",
  "0.0.0.0",
  "127.0.0.1:99999",
  "[::1].evil.example",
  "2130706433",
  "0x7f.1",
  "localhost evil.example",
  "",
] as const;

const good: readonly HeaderLine[] = [["Content-Type", "application/json"], bearer(tokens.acme)];

const targets: readonly (readonly [tries: string, path: string, headers: readonly HeaderLine[]])[] = [
  [
    "two Host lines, a foreign one last",
    paths.getInfo,
    [
      ["Host", "localhost"],
      ["Host", "evil.example"],
    ],
  ],
  [
    "two Host lines, a foreign one first",
    paths.getInfo,
    [
      ["Host", "evil.example"],
      ["Host", "localhost"],
    ],
  ],
  ["an absolute target of another host", `http://evil.example${paths.getInfo}`, [["Host", "localhost"]]],
  ["an absolute target with a foreign Host line", `http://localhost${paths.getInfo}`, [["Host", "evil.example"]]],
  [
    "a foreign Host with a good X-Forwarded-Host",
    paths.getInfo,
    [
      ["Host", "evil.example"],
      ["X-Forwarded-Host", "localhost"],
    ],
  ],
];

export const hosts: AttackGroup = {
  title: "Host names",
  file: "hosts.ts",
  attacks: [
    {
      tries: `${foreignHosts.length} foreign or odd Hosts over HTTP/1.1`,
      expects: "are refused with 421 or 400",
      async run(lab) {
        for (const host of foreignHosts) {
          const answer = await lab.json("{}", { path: paths.getInfo, headers: [["Host", host], bearer(tokens.acme)] });
          expect([400, 421], `${host}\n${answer.all}`).toContain(answer.status);
        }
      },
    },
    {
      tries: "a foreign :authority, and a foreign host next to a good one, over HTTP/2",
      expects: "are refused",
      async run(lab) {
        const port = lab.port("web");
        const disagreeing: readonly (readonly HeaderLine[])[] = [
          [[":authority", "evil.example"]],
          [
            [":authority", `localhost:${port}`],
            ["host", "evil.example"],
          ],
          [
            [":authority", "evil.example"],
            ["host", `localhost:${port}`],
          ],
        ];
        for (const lines of disagreeing) {
          const headers = [...lines, ["content-type", "application/json"] as const, bearer(tokens.acme)];
          const answer = await http2({ port, path: paths.getInfo, headers, body: "{}" });
          expect(letIn(answer), answer.all).toBe(false);
        }
      },
    },
    ...targets.map(
      ([tries, path, headers]): Attack => ({
        tries,
        expects: "is refused",
        async run(lab) {
          const answer = await http1({ port: lab.port("web"), path, headers: [...headers, ...good], body: "{}" });
          expect([400, 404, 421], answer.all).toContain(answer.status);
        },
      }),
    ),
    {
      tries: "CONNECT, and an upgrade to h2c or WebSocket",
      expects: "opens nothing",
      async run(lab) {
        const port = lab.port("web");
        const connect = await http1({ port, method: "CONNECT", path: "127.0.0.1:22" });
        expect(connect.status === 0 || connect.status >= 400, connect.all).toBe(true);
        for (const protocol of ["h2c", "websocket"]) {
          const answer = await http1({
            port,
            method: "GET",
            path: paths.getInfo,
            headers: [
              ["Upgrade", protocol],
              ["Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="],
              ["Sec-WebSocket-Version", "13"],
              ["HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA"],
            ],
          });
          expect(answer.status).not.toBe(101);
        }
      },
    },
  ],
};
