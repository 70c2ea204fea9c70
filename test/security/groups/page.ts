/** The files of the browser page: only they are served, under a policy that lets nothing of a model run. */
import { expect } from "vitest";
import type { AttackGroup } from "../attack.ts";
import { http1 } from "../wire.ts";

const strayPaths = [
  "/../SECURITY.md",
  "/page/web/../../package.json",
  "/page/web/%2e%2e/%2e%2e/package.json",
  "/page/web/..%2f..%2fpackage.json",
  "/page/web/..\\..\\package.json",
  "/page//etc/passwd",
  "/page/%00",
  "/page/web/main.js%00.css",
  "/package.json",
  "/.git/config",
  "/__proto__",
  "/constructor",
  "/page/web/main.ts.map",
] as const;

export const page: AttackGroup = {
  title: "Page server",
  file: "page.ts",
  attacks: [
    {
      tries: `${strayPaths.length} paths out of the page's folder`,
      expects: "are not found, and not repeated in the answer",
      async run(lab) {
        for (const path of strayPaths) {
          const answer = await http1({ port: lab.port("web"), method: "GET", path });
          expect([400, 404], `${path}\n${answer.all}`).toContain(answer.status);
          expect(answer.body).not.toContain(path);
        }
      },
    },
    {
      tries: "reading the page's own policy",
      expects: "lets nothing run, frame, sniff or leave",
      async run(lab) {
        const { status, headers } = await http1({ port: lab.port("web"), method: "GET", path: "/" });
        expect(status).toBe(200);
        const policy = headers.get("content-security-policy") ?? "";
        expect(policy).toContain("default-src 'none'");
        expect(policy).toContain("frame-ancestors 'none'");
        expect(policy).toContain("require-trusted-types-for 'script'");
        expect(policy).not.toMatch(/unsafe-inline|unsafe-eval|\*|data:/);
        expect(headers.get("x-content-type-options")).toBe("nosniff");
        expect(headers.get("referrer-policy")).toBe("no-referrer");
        expect(headers.get("cross-origin-opener-policy")).toBe("same-origin");
      },
    },
    {
      tries: "POST, PUT, DELETE, TRACE to the page",
      expects: "changes and repeats nothing",
      async run(lab) {
        for (const method of ["POST", "PUT", "DELETE", "TRACE", "PROPFIND"]) {
          const answer = await http1({
            port: lab.port("web"),
            method,
            path: "/",
            headers: [["X-Canary", "canary-value"]],
          });
          expect(answer.status === 0 || answer.status >= 400, `${method}\n${answer.all}`).toBe(true);
          expect(answer.all).not.toContain("canary-value");
        }
      },
    },
  ],
};
