/** Content types that are not spoken: refused in words, never guessed at. */
import { expect } from "vitest";
import type { AttackGroup } from "../attack.ts";
import { bearer, paths, refused, tokens } from "../lab.ts";
import { http1, http2 } from "../wire.ts";

const strangers = [
  "application/grpc-web-text",
  "application/grpc-web-text+proto",
  "application/grpc-web+thrift",
  "application/connect+xml",
  "application/xml",
  "application/proto; x=y; z",
  "",
] as const;

export const contentTypes: AttackGroup = {
  title: "Content types",
  file: "content-types.ts",
  attacks: [
    {
      tries: `${strangers.length} unsupported content types`,
      expects: "are refused with 415",
      async run(lab) {
        for (const type of strangers) {
          const answer = await http1({
            port: lab.port("web"),
            path: paths.streamChat,
            headers: [["Content-Type", type], bearer(tokens.acme)],
            body: '{"prompt":"hello"}',
          });
          expect(refused(answer), `${type}\n${answer.all}`).toBe(true);
        }
      },
    },
    {
      tries: "a content type that is not gRPC, on the gRPC port",
      expects: "is refused",
      async run(lab) {
        for (const type of ["application/json", "text/plain", "application/grpc+thrift", "application/grpcx"]) {
          const answer = await http2({
            port: lab.port("grpc"),
            path: paths.getInfo,
            headers: [["content-type", type], ["te", "trailers"], bearer(tokens.acme)],
            body: "{}",
          });
          expect(refused(answer), `${type}\n${answer.all}`).toBe(true);
        }
      },
    },
  ],
};
