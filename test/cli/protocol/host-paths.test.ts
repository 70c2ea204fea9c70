import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseLine } from "../../../src/cli/protocol/cli-messages.ts";
import { HostPaths } from "../../../src/cli/protocol/host-paths.ts";
import { memberRanges } from "../../../src/cli/protocol/member-ranges.ts";

const folders = { home: "/base/w1/home", tmp: "/base/w1/tmp", cwd: "/base/w1/cwd" };
const paths = new HostPaths(folders);
const line = (body: object) => {
  const text = JSON.stringify(body);
  return JSON.parse(paths.line(parseLine(text)!, text));
};

describe("host paths", () => {
  it("are replaced in what the CLI filled in, also as the name of a project's folder", () => {
    expect(paths.text("see /base/w1/home/.claude/projects/-base-w1-cwd/a.json and /base/w1/cwd/b, /base/w1/tmp")).toBe(
      "see <home>/.claude/projects/<cwd>/a.json and <cwd>/b, <tmp>",
    );
    expect(line({ type: "system", subtype: "init", cwd: folders.cwd })).toMatchObject({ cwd: "<cwd>" });
  });

  it("are replaced in every text of a value, and nothing else is changed", () => {
    const value = { a: ["/base/w1/tmp/x", 1, null], b: { c: true } };
    expect(paths.json(value)).toEqual({ a: ["<tmp>/x", 1, null], b: { c: true } });
  });

  it("stay in what the model wrote", () => {
    const delta = { type: "stream_event", event: { type: "content_block_delta", delta: { text: folders.cwd } } };
    expect(line(delta)).toEqual(delta);
    const block = { type: "assistant", message: { model: "claude", content: [{ type: "text", text: folders.cwd }] } };
    expect(line(block)).toEqual(block);
    const result = { note: folders.tmp, is_error: false, type: "result", result: `in ${folders.cwd} "quoted\\"` };
    expect(line(result)).toEqual({ ...result, note: "<tmp>" });
  });

  it("are replaced in the text of an error, which is the CLI's own", () => {
    const synthetic = { type: "assistant", message: { model: "<synthetic>", content: [{ text: folders.home }] } };
    expect(line(synthetic).message.content).toEqual([{ text: "<home>" }]);
    expect(line({ type: "result", is_error: true, result: folders.home }).result).toBe("<home>");
  });

  it("are found when they hold what JSON escapes", () => {
    const odd = new HostPaths({ home: '/a "b"\\c/home', tmp: "/t/tmp", cwd: "/t/cwd" });
    const text = JSON.stringify({ type: "system", subtype: "x", path: '/a "b"\\c/home/f' });
    expect(JSON.parse(odd.line(parseLine(text)!, text)).path).toBe("<home>/f");
  });
});

describe("member ranges", () => {
  it("are exactly the values of an object's own members", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }), fc.nat(), (object, chosen) => {
        const names = Object.keys(object).filter((key) => JSON.stringify(key) === `"${key}"`);
        if (names.length === 0) return;
        const name = names[chosen % names.length]!;
        const json = JSON.stringify({ before: { [name]: 0 }, ...object });
        const [range, ...more] = memberRanges(json, [name]);
        expect(more).toEqual([]);
        expect(JSON.parse(json.slice(range!.start, range!.end))).toEqual(JSON.parse(json)[name]);
      }),
    );
  });
});
