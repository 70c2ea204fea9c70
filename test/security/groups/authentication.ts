/** Getting in without a token, with a wrong one, or with the right one in a wrong place. */
import { createHash } from "node:crypto";
import { expect } from "vitest";
import { type Attack, type AttackGroup, onBothPorts } from "../attack.ts";
import { bearer, type Lab, letIn, paths, refused, tokens } from "../lab.ts";
import { type HeaderLine, http1, http2 } from "../wire.ts";

const right = tokens.acme;
const wrong = `${right.slice(0, -1)}x`;

/** Spellings with which nobody gets in, over HTTP/2 on both ports. */
const spellings: readonly (readonly [tries: string, headers: readonly HeaderLine[]])[] = [
  ["no token", []],
  ["a token that nobody has", [bearer("test-token-of-nobody")]],
  ["a token with another last letter", [bearer(wrong)]],
  ["a token cut by one letter", [bearer(right.slice(0, -1))]],
  ["a token with one letter more", [bearer(`${right}x`)]],
  ["a token in upper case", [bearer(right.toUpperCase())]],
  ["the SHA-256 of the token, as the settings have it", [bearer(createHash("sha256").update(right).digest("hex"))]],
  ["a scheme without a token", [["authorization", "Bearer"]]],
  ["a token without a scheme", [["authorization", right]]],
  ["the token sent as Basic", [["authorization", `Basic ${Buffer.from(`user:${right}`).toString("base64")}`]]],
  ["two tokens joined by a comma", [["authorization", `Bearer ${right}, Bearer ${right}`]]],
  ["two Authorization headers, the wrong one first", [bearer(wrong), bearer(right)]],
  ["two Authorization headers, the right one first", [bearer(right), bearer(wrong)]],
  ["the right Authorization header twice", [bearer(right), bearer(right)]],
  ["the token in x-api-key", [["x-api-key", right]]],
  ["the token in a cookie", [["cookie", `authorization=Bearer ${right}; token=${right}`]]],
  ["the token in proxy-authorization", [["proxy-authorization", `Bearer ${right}`]]],
  [
    "a user named by a proxy's header",
    [
      ["x-forwarded-user", "acme"],
      ["x-tenant", "acme"],
    ],
  ],
];

const unknownPlaces: readonly Attack[] = [
  {
    tries: "the token in the query",
    expects: "is not let in",
    async run(lab) {
      const answer = await lab.json("{}", {
        path: `${paths.getInfo}?token=${right}&access_token=${right}`,
        headers: [],
      });
      expect(letIn(answer), answer.all).toBe(false);
    },
  },
  ...(["right first", "wrong first"] as const).map(
    (order): Attack => ({
      tries: `two Authorization lines over HTTP/1.1, ${order}`,
      expects: "is refused",
      async run(lab) {
        const lines = order === "right first" ? [bearer(right), bearer(wrong)] : [bearer(wrong), bearer(right)];
        const answer = await lab.json("{}", { path: paths.getInfo, headers: lines });
        expect([400, 401]).toContain(answer.status);
        expect(letIn(answer)).toBe(false);
      },
    }),
  ),
  {
    tries: "a folded Authorization line over HTTP/1.1",
    expects: "is not let in",
    async run(lab) {
      const answer = await lab.json("{}", { path: paths.getInfo, headers: [["Authorization", `Bearer\r\n ${right}`]] });
      expect(letIn(answer), answer.all).toBe(false);
    },
  },
  {
    tries: "a space before the colon of Authorization",
    expects: "is not let in",
    async run(lab) {
      const answer = await lab.json("{}", { path: paths.getInfo, headers: [["Authorization ", `Bearer ${right}`]] });
      expect(letIn(answer), answer.all).toBe(false);
    },
  },
  {
    tries: "15 KB of token",
    expects: "is refused",
    async run(lab) {
      const answer = await lab.json("{}", { path: paths.getInfo, headers: [bearer("x".repeat(15_000))] });
      expect([401, 431]).toContain(answer.status);
    },
  },
];

/** Ways to reach a method that needs a token under the name of one that needs none. */
const pathTricks = [
  "/grpc.health.v1.Health/../claude.runner.v1.ClaudeRunner/GetInfo",
  "/grpc.health.v1.Health/Check/../../claude.runner.v1.ClaudeRunner/GetInfo",
  "/claude.runner.v1.ClaudeRunner/getInfo",
  "/CLAUDE.RUNNER.V1.CLAUDERUNNER/GETINFO",
  "//claude.runner.v1.ClaudeRunner/GetInfo",
  "/claude.runner.v1.ClaudeRunner//GetInfo",
  "/claude.runner.v1.ClaudeRunner/GetInfo/",
  "/claude.runner.v1.ClaudeRunner/GetInfo%00",
  "/claude.runner.v1.ClaudeRunner/Get%49nfo",
  "/claude.runner.v1.ClaudeRunner%2FGetInfo",
  "/page/../claude.runner.v1.ClaudeRunner/GetInfo",
  "/claude.runner.v1.ClaudeRunner/GetInfo;x=/grpc.health.v1.Health/Check",
  "/claude.runner.v1.ClaudeRunner/GetInfo#/grpc.health.v1.Health/Check",
] as const;

export const authentication: AttackGroup = {
  title: "Authentication",
  file: "authentication.ts",
  attacks: [
    ...spellings.flatMap(([tries, headers]) =>
      onBothPorts((port) => ({
        tries,
        expects: "is not let in",
        async run(lab) {
          const answer = await lab.getInfo(port, headers);
          expect(letIn(answer), answer.all).toBe(false);
          expect(answer.all).not.toContain(right);
        },
      })),
    ),
    ...onBothPorts((port) => ({
      tries: "the right token, for comparison",
      expects: "is let in",
      async run(lab) {
        expect(letIn(await lab.getInfo(port, [bearer(right)]))).toBe(true);
      },
    })),
    ...unknownPlaces,
    ...onBothPorts((port) => ({
      tries: `${pathTricks.length} other spellings of a path, without a token`,
      expects: "none reaches the method",
      async run(lab) {
        for (const path of pathTricks) {
          const answer = await http2({
            port: lab.port(port),
            path,
            headers: [
              ["content-type", port === "grpc" ? "application/grpc" : "application/json"],
              ["te", "trailers"],
            ],
            body: port === "grpc" ? Buffer.alloc(5) : "{}",
          });
          expect(letIn(answer), `${path}\n${answer.all}`).toBe(false);
        }
      },
    })),
    ...onBothPorts((port) => ({
      tries: "reflection without a token, both versions",
      expects: "is not let in",
      async run(lab) {
        for (const path of [paths.reflection, paths.oldReflection]) {
          const answer = await lab.grpc(port, path, Buffer.from([0, 0, 0, 0, 2, 0x3a, 0]), []);
          expect(answer.grpcStatus).toBe(16);
        }
      },
    })),
    {
      tries: "a call with GET, PUT, HEAD, DELETE or PATCH",
      expects: "does not call the method",
      async run(lab) {
        for (const method of ["GET", "PUT", "HEAD", "DELETE", "PATCH"]) {
          const answer = await call(lab, method);
          expect(refused(answer), `${method}\n${answer.all}`).toBe(true);
        }
      },
    },
  ],
};

function call(lab: Lab, method: string) {
  return http1({
    port: lab.port("web"),
    method,
    path: `${paths.getInfo}?connect=v1&encoding=json&message={}`,
    headers: [bearer(right), ["Content-Type", "application/json"]],
    body: method === "GET" || method === "HEAD" ? "" : "{}",
  });
}
