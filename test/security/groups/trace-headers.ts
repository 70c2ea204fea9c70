/** Trace headers and user agents: taken or ignored, never repeated, never a new series of a metric. */
import { expect } from "vitest";
import type { AttackGroup } from "../attack.ts";
import { bearer, tokens } from "../lab.ts";
import { type HeaderLine, http1 } from "../wire.ts";

const odd: readonly HeaderLine[] = [
  ["traceparent", "00-00000000000000000000000000000000-0000000000000000-01"],
  ["traceparent", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
  ["traceparent", "00-<script>alert(1)</script>-x-01"],
  ["traceparent", "0".repeat(10_000)],
  ["tracestate", "a=".repeat(5_000)],
  ["baggage", "x=y,".repeat(3_000)],
  ["user-agent", "canary-agent".repeat(500)],
];

export const traceHeaders: AttackGroup = {
  title: "Trace headers and metrics",
  file: "trace-headers.ts",
  attacks: [
    {
      tries: `${odd.length} odd trace headers and user agents`,
      expects: "do not affect the call and are not in the log",
      async run(lab) {
        for (const header of odd) {
          const answer = await lab.json('{"prompt":"hello"}', { headers: [header, bearer(tokens.acme)] });
          expect(answer.status, header.join(": ").slice(0, 100)).toBe(200);
        }
        expect(lab.logText).not.toContain("canary-agent");
      },
    },
    {
      tries: "40 calls, each with another method, model, profile and label",
      expects: "add no series to the metrics",
      async run(lab) {
        const series = async () => {
          const { body } = await http1({ port: lab.adminPort, method: "GET", path: "/metrics" });
          return body.split("\n").filter((line) => line !== "" && !line.startsWith("#")).length;
        };
        const round = async (name: string) => {
          for (let at = 0; at < 10; at++) {
            await lab.json("{}", { path: `/claude.runner.v1.ClaudeRunner/${name}${at}` });
            await lab.json(JSON.stringify({ prompt: "x", model: `${name}-${at}` }));
            await lab.json(JSON.stringify({ prompt: "x", profile: `${name.toLowerCase()}${at}` }));
            await lab.json(JSON.stringify({ prompt: "x", labels: { [`${name.toLowerCase()}${at}`]: `${at}` } }));
          }
        };
        await round("First");
        const before = await series();
        await round("Second");
        expect(await series()).toBe(before);
      },
    },
  ],
};
