/** JSON that is wrong, odd, or means two things. */
import { gzipSync } from "node:zlib";
import { expect } from "vitest";
import type { Attack, AttackGroup } from "../attack.ts";
import { bearer, tokens } from "../lab.ts";

const wrong: readonly (readonly [tries: string, body: string | Buffer])[] = [
  ["an unknown field", '{"prompt":"x","limit":{"maxModelCallCount":1}}'],
  ["a misspelt limit", '{"prompt":"x","limits":{"maxCostUsd":1}}'],
  ["an unknown enum name", '{"prompt":"x","effort":"EFFORT_HIHG"}'],
  ["an enum name without its prefix", '{"prompt":"x","effort":"high"}'],
  ["both spellings of a field", '{"prompt":"x","systemPrompt":"a","system_prompt":"b"}'],
  ["a key given twice", '{"prompt":"x","prompt":"y"}'],
  ["a key given twice, once escaped", '{"prompt":"x","\\u0070rompt":"y"}'],
  ["__proto__ as a field", '{"prompt":"x","__proto__":{"isAdmin":true}}'],
  ["__proto__ as a label", '{"prompt":"x","labels":{"__proto__":"x"}}'],
  ["constructor.prototype", '{"prompt":"x","limits":{"constructor":{"prototype":{"x":1}}}}'],
  ["100,000 nested lists", `{"prompt":"x","y":${"[".repeat(100_000)}${"]".repeat(100_000)}}`],
  ["1e999 for a number", '{"prompt":"x","limits":{"maxModelCallCount":1e999}}'],
  ["a number beyond 64 bits", '{"prompt":"x","limits":{"maxOutputBytes":"99999999999999999999"}}'],
  ["1.5 for a whole number", '{"prompt":"x","limits":{"maxModelCallCount":1.5}}'],
  ["a duration of 10^15 seconds", '{"prompt":"x","limits":{"maxDuration":"1000000000000000s"}}'],
  ["a duration of NaN", '{"prompt":"x","limits":{"maxDuration":"NaNs"}}'],
  ["text in place of base64", '{"content":[{"image":{"mediaType":"image/png","data":"%%%"}}]}'],
  ["text after the end", '{"prompt":"x"} {"prompt":"y"}'],
  ["a comment", '{"prompt":"x"/* y */}'],
  ["single quotes", "{'prompt':'x'}"],
  ["UTF-16", Buffer.from('{"prompt":"x"}', "utf16le")],
  ["Latin-1", Buffer.from('{"prompt":"h\xe9"}', "latin1")],
  ["half of a surrogate pair", '{"prompt":"\\ud800"}'],
  ["two members of a oneof", '{"content":[{"text":"a","image":{"mediaType":"image/png","data":""}}]}'],
  ["a list", "[]"],
  ["nothing", ""],
];

export const json: AttackGroup = {
  title: "JSON",
  file: "json.ts",
  attacks: [
    ...wrong.map(
      ([tries, body]): Attack => ({
        tries,
        expects: "is refused with 400 and INVALID_REQUEST",
        async run(lab) {
          const claims = lab.scene.claimCount();
          const answer = await lab.json(body);
          expect(answer.status, answer.all).toBe(400);
          expect(answer.body).toContain("INVALID_REQUEST");
          expect(answer.body).not.toMatch(/\bat .*:\d+:\d+/);
          expect(lab.scene.claimCount()).toBe(claims);
          expect(({} as Record<string, unknown>).isAdmin).toBeUndefined();
        },
      }),
    ),
    {
      tries: "a gzipped body that expands to a gigabyte",
      expects: "is refused",
      async run(lab) {
        const member = gzipSync(Buffer.alloc(1024 * 1024, 0x20));
        const bomb = Buffer.concat(Array.from({ length: 1024 }, () => member));
        const answer = await lab.json(bomb, { headers: [["Content-Encoding", "gzip"], bearer(tokens.acme)] });
        expect(answer.status).toBeGreaterThanOrEqual(400);
      },
    },
    {
      tries: "invalid timeouts: -1, 1e309, soon",
      expects: "are refused",
      async run(lab) {
        for (const timeout of ["-1", "1e309", "soon", "0x10"]) {
          const answer = await lab.json('{"prompt":"x"}', {
            headers: [["Connect-Timeout-Ms", timeout], bearer(tokens.acme)],
          });
          expect(answer.status, timeout).toBeGreaterThanOrEqual(400);
        }
      },
    },
  ],
};
