/** The admin port: nothing but metrics and health, for nobody but this machine. */
import { expect } from "vitest";
import type { AttackGroup } from "../attack.ts";
import { tokens } from "../lab.ts";
import { http1 } from "../wire.ts";

export const admin: AttackGroup = {
  title: "Admin port",
  file: "admin.ts",
  attacks: [
    {
      tries: "a foreign Host, and an Origin",
      expects: "are refused",
      async run(lab) {
        for (const headers of [
          [["Host", "evil.example"]],
          [["Origin", "https://evil.example"]],
          [
            ["Host", "localhost"],
            ["Host", "evil.example"],
          ],
        ] as const) {
          const answer = await http1({ port: lab.adminPort, method: "GET", path: "/metrics", headers });
          expect([400, 403, 421], answer.all).toContain(answer.status);
        }
      },
    },
    {
      tries: "other methods and other paths",
      expects: "do nothing",
      async run(lab) {
        for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
          expect((await http1({ port: lab.adminPort, method, path: "/readyz" })).status).toBeGreaterThanOrEqual(400);
        }
        for (const path of [
          "/../../etc/passwd",
          "/debug",
          "/pprof",
          "/heapdump",
          "/env",
          "http://evil.example/metrics",
        ]) {
          const { status } = await http1({ port: lab.adminPort, method: "GET", path });
          expect(status, path).toBeGreaterThanOrEqual(400);
        }
      },
    },
    {
      tries: "reading all metrics",
      expects: "shows no token, key or path",
      async run(lab) {
        const { status, body } = await http1({ port: lab.adminPort, method: "GET", path: "/metrics" });
        expect(status).toBe(200);
        for (const secret of [...Object.values(tokens), "sk-ant-", lab.scene.workFolder])
          expect(body).not.toContain(secret);
      },
    },
  ],
};
