/** Web pages of other origins: they may send nothing that is carried out, and read nothing. */
import { expect } from "vitest";
import type { AttackGroup } from "../attack.ts";
import { bearer, paths, tokens } from "../lab.ts";
import { http1 } from "../wire.ts";

const foreignOrigins = [
  "null",
  "https://evil.example",
  "http://evil.example",
  "file://",
  "http://localhost:1",
  "http://localhost.evil.example",
  "chrome-extension://abcdefghijklmnop",
  "https://localhost",
  "",
  "*",
] as const;

/** What a form or a plain script of a page may send without asking first. */
const simpleTypes = [
  "text/plain",
  "application/x-www-form-urlencoded",
  "multipart/form-data; boundary=x",
  "text/plain;charset=application/json",
  "TEXT/PLAIN",
] as const;

export const origins: AttackGroup = {
  title: "Web pages of other origins",
  file: "origins.ts",
  attacks: [
    {
      tries: `calls from ${foreignOrigins.length} origins`,
      expects: "are refused with 403, without CORS headers",
      async run(lab) {
        for (const origin of foreignOrigins) {
          const answer = await lab.json("{}", {
            path: paths.getInfo,
            headers: [["Origin", origin], bearer(tokens.acme)],
          });
          expect(answer.status, `${origin}\n${answer.all}`).toBe(403);
          expect(answer.headers.has("access-control-allow-origin")).toBe(false);
        }
      },
    },
    {
      tries: "a preflight from another origin, including one for private network access",
      expects: "gets no permission",
      async run(lab) {
        const answer = await http1({
          port: lab.port("web"),
          method: "OPTIONS",
          path: paths.chat,
          headers: [
            ["Origin", "https://evil.example"],
            ["Access-Control-Request-Method", "POST"],
            ["Access-Control-Request-Headers", "authorization,content-type"],
            ["Access-Control-Request-Private-Network", "true"],
          ],
        });
        expect(answer.status).toBe(403);
        expect([...answer.headers.keys()].filter((name) => name.startsWith("access-control-"))).toEqual([]);
      },
    },
    {
      tries: `a call in each of ${simpleTypes.length} content types that need no preflight`,
      expects: "is refused with 415",
      async run(lab) {
        for (const type of simpleTypes) {
          const answer = await http1({
            port: lab.port("web"),
            path: paths.chat,
            headers: [["Content-Type", type], bearer(tokens.acme)],
            body: '{"prompt":"hello"}',
          });
          expect(answer.status, type).toBe(415);
        }
      },
    },
    {
      tries: `a call for a stream of text in each of these ${simpleTypes.length} content types`,
      expects: "is refused with 415",
      async run(lab) {
        for (const type of simpleTypes) {
          for (const accept of ["text/event-stream", "application/x-ndjson"]) {
            const answer = await http1({
              port: lab.port("web"),
              path: paths.streamChat,
              headers: [["Content-Type", type], ["Accept", accept], bearer(tokens.acme)],
              body: '{"prompt":"hello"}',
            });
            expect(answer.status, `${type} ${accept}`).toBe(415);
          }
        }
      },
    },
  ],
};
