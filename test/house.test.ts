/**
 * The house as `docs/architecture.md` has it: who may import whom, types included. An arrow that is not there is a
 * decision: put it into the page's table, or do without it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../src/", import.meta.url));

/** What each folder may import of the others, as the page has it. Files beside the folders, the nouns, are everybody's. */
const arrows: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  [
    ...readFileSync(new URL("../docs/architecture.md", import.meta.url), "utf8").matchAll(
      /^\| `([\w-]+)\/` \|.*\|(.*)\|$/gm,
    ),
  ].map(([, room, others]) => [room!, [...others!.matchAll(/`([\w-]+)`/g)].map(([, other]) => other!)]),
);

/** Files that know the whole house. */
const roofs = ["main.ts"];

const files = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.replaceAll("\\", "/"));

/** A file without its comments. */
const codeOf = (file: string) => readFileSync(join(root, file), "utf8").replace(/\/\*.*?\*\/|\/\/ [^\n]*/gs, "");

/** What each file imports of the others, and what from elsewhere, by the names in the code. */
const imports = new Map(
  files.map((file) => {
    const text = readFileSync(join(root, file), "utf8");
    const named = [...text.matchAll(/\b(?:from|import)\s*\(?\s*"([^"]+)"/g)].map(([, name]) => name!);
    const own = named
      .filter((name) => name.startsWith("."))
      .map((name) => relative(root, resolve(root, dirname(file), name)).replaceAll("\\", "/"));
    return [file, { own, foreign: named.filter((name) => !name.startsWith(".")) }] as const;
  }),
);

const ownOf = (file: string) => imports.get(file)!.own.filter((other) => imports.has(other));

/** The folder of a file; a file beside the folders stands for itself. */
const roomOf = (file: string) => file.split("/")[0]!;

/** The folders that have others in them. Files directly in one are what its rooms have in common or what joins them. */
const halls = new Set(files.map((file) => dirname(dirname(file))).filter((folder) => folder !== "."));

/** The innermost folder of a file, such as `server/web`; a file beside rooms stands for itself. */
const innerRoomOf = (file: string) => {
  const folder = dirname(file);
  return folder === "." || halls.has(folder) ? file : folder;
};

/** The rooms and what each imports of the others, as `circles` wants them. */
function graphOf(of: readonly string[], room: (file: string) => string) {
  const rooms = new Map<string, Set<string>>(of.map((file) => [room(file), new Set()]));
  for (const file of of) {
    for (const other of ownOf(file)) if (room(other) !== room(file)) rooms.get(room(file))!.add(room(other));
  }
  return [rooms.keys(), (name: string) => rooms.get(name)!] as const;
}

/** Sets of nodes that lead back to themselves (Tarjan). */
function circles(nodes: Iterable<string>, next: (node: string) => Iterable<string>): string[][] {
  const found: string[][] = [];
  const indexes = new Map<string, number>();
  const lowest = new Map<string, number>();
  const stack: string[] = [];
  const visit = (node: string) => {
    indexes.set(node, indexes.size);
    lowest.set(node, indexes.get(node)!);
    stack.push(node);
    for (const other of next(node)) {
      if (!indexes.has(other)) visit(other);
      if (stack.includes(other)) lowest.set(node, Math.min(lowest.get(node)!, lowest.get(other)!));
    }
    if (lowest.get(node) !== indexes.get(node)) return;
    const circle = stack.splice(stack.indexOf(node));
    if (circle.length > 1) found.push(circle);
  };
  for (const node of nodes) if (!indexes.has(node)) visit(node);
  return found;
}

describe("the house", () => {
  it("is walked: every file and every folder is there, and most files import another", () => {
    expect(files.length).toBeGreaterThan(250);
    expect(files.filter((file) => ownOf(file).length > 0).length).toBeGreaterThan(200);
    expect(Object.keys(arrows).sort()).toEqual(
      [...new Set(files.filter((file) => file.includes("/")).map(roomOf))].sort(),
    );
    expect(circles(["a", "b", "c"], (node) => ({ a: ["b"], b: ["a", "c"], c: [] })[node]!)).toEqual([["a", "b"]]);
  });

  it("has no circle of files", () => {
    expect(circles(files, ownOf)).toEqual([]);
  });

  it("has no circle of folders", () => {
    expect(circles(...graphOf(files, roomOf))).toEqual([]);
  });

  it("has no circle of rooms within the folders", () => {
    expect(circles(...graphOf(files, innerRoomOf))).toEqual([]);
  });

  it("lets neither port know the other, nor the page", () => {
    const [, next] = graphOf(files, innerRoomOf);
    const faces = ["server/grpc", "server/page", "server/web"];
    expect(faces.map((face) => [...next(face)].filter((other) => faces.includes(other)))).toEqual([[], [], []]);
  });

  it("has no arrow that is not drawn, and draws none that is not there", () => {
    const seen = new Map<string, Set<string>>(Object.keys(arrows).map((room) => [room, new Set()]));
    const strangers: string[] = [];
    for (const file of files) {
      const room = roomOf(file);
      if (roofs.includes(file)) continue;
      for (const other of ownOf(file)) {
        const to = roomOf(other);
        // Commands and checks start what the roof puts together.
        const isRoof = roofs.includes(other) && (room === "commands" || room === "verify");
        if (to === room || isRoof || (!other.includes("/") && !roofs.includes(other))) continue;
        if (arrows[room]?.includes(to)) seen.get(room)!.add(to);
        else strangers.push(`${file} → ${other}`);
      }
    }
    expect(strangers).toEqual([]);
    expect(Object.fromEntries([...seen].map(([room, to]) => [room, [...to].sort()]))).toEqual(arrows);
  });

  it("has no two files of one name, so that an editor's tabs tell them apart", () => {
    const named = Map.groupBy(files, (file) => file.split("/").at(-1)!);
    expect([...named.values()].filter((alike) => alike.length > 1)).toEqual([]);
  });

  it("starts processes in one file only", () => {
    const starters = files.filter((file) => imports.get(file)!.foreign.some((name) => /child_process/.test(name)));
    expect(starters).toEqual(["cli/process/child-process.ts"]);
  });

  it("has its time from the clock, which tests own", () => {
    const own = /\b(setTimeout|setInterval|Date\.now|performance\.now)\b|"node:(timers|perf_hooks)/;
    expect(files.filter((file) => own.test(codeOf(file)))).toEqual([
      "clock.ts", // it is the clock
      "commands/pool-views.ts", // nothing else keeps the process while `pool --watch` waits; the clock's timers do not
      "commands/rejoin.ts", // nor between two connections
      "commands/serve.ts", // nor while a start hangs
    ]);
  });

  it("knows the generated contract at its edges only", () => {
    const rooms = files
      .filter((file) => imports.get(file)!.own.some((other) => other.startsWith("../gen/")))
      .map(roomOf);
    expect([...new Set(rooms)].sort()).toEqual(["commands", "server", "service", "verify"]);
  });
});
