/**
 * What is pinned in each place, and what its registry has: asked by the language's own client, which knows its registry.
 * Leaves out what follows from it (`report.ts`), and the plugins of Maven, which follow Maven and Java 17.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ask, inTurns } from "./ask.ts";
import { type Found, together } from "./report.ts";

type Names = Readonly<Record<string, string>>;
interface Manifest {
  readonly dependencies?: Names;
  readonly optionalDependencies?: Names;
  readonly devDependencies?: Names;
  readonly peerDependencies?: Names;
}

export interface Place {
  readonly name: string;
  readonly find: (root: string) => Promise<readonly Found[]>;
}

export const places: readonly Place[] = [
  { name: "root", find: (root) => npm(root, "root", ".") },
  { name: "clients/typescript", find: (root) => npm(root, "clients/typescript", "clients/typescript") },
  { name: "clients/python", find: python },
  { name: "clients/go", find: go },
  { name: "clients/java", find: java },
  { name: "clients/rust", find: rust },
  { name: "test programs", find: testPrograms },
];

const read = (root: string, path: string) => readFileSync(join(root, path), "utf8");

async function npm(root: string, place: string, folder: string): Promise<readonly Found[]> {
  const manifest = JSON.parse(read(root, join(folder, "package.json"))) as Manifest;
  const pins = Object.entries({
    ...manifest.dependencies,
    ...manifest.peerDependencies,
    ...manifest.optionalDependencies,
    ...manifest.devDependencies,
  });
  const found = await inTurns(pins, async ([name, pinned]): Promise<Found> => {
    const quick = ["--json", "--fetch-retries=1", "--fetch-timeout=30000"];
    const answer = JSON.parse(await ask("npm", ["view", name, "versions", "time", ...quick], { cwd: root })) as {
      readonly versions: string | readonly string[];
      readonly time?: Names;
    };
    const time = answer.time?.[pinned.replace(/^\D/, "")];
    return { place, name, pinned, versions: [answer.versions].flat(), pinnedTime: time ? new Date(time) : undefined };
  });
  const isClaudeCode = ({ name }: Found) => name.startsWith("@anthropic-ai/claude-code-");
  const claudeCode = found.filter(isClaudeCode);
  const others = found.filter((one) => !isClaudeCode(one));
  return claudeCode.length === 0 ? others : [together("Claude Code", claudeCode), ...others];
}

async function python(root: string): Promise<readonly Found[]> {
  const place = "clients/python";
  const pins = [...read(root, `${place}/constraints.txt`).matchAll(/^([\w.-]+)==([^\s;]+)/gm)];
  const pip = ["-m", "pip", "--disable-pip-version-check", "index", "versions"];
  return inTurns(pins, async ([, name = "", pinned = ""]): Promise<Found> => {
    const pre = /\d(a|b|rc)\d/.test(pinned) ? ["--pre"] : [];
    const answer = await ask("python3", [...pip, ...pre, name], { cwd: root });
    const versions = /^Available versions: (.*)$/m.exec(answer)?.[1]?.split(", ") ?? [];
    return { place, name, pinned, versions };
  });
}

interface GoFile {
  readonly Require?: readonly { readonly Path: string }[] | null;
  readonly Replace?: readonly { readonly Old: { readonly Path: string } }[] | null;
}

interface GoModule {
  readonly Path: string;
  readonly Version?: string;
  readonly Time?: string;
  readonly Update?: { readonly Version: string };
}

async function go(root: string): Promise<readonly Found[]> {
  const modules = ["clients/go", "clients/go/driver", "clients/go/tools"];
  const found = await inTurns(modules, async (folder) => {
    const options = { cwd: join(root, folder), env: { GOWORK: "off" } };
    const file = JSON.parse(await ask("go", ["mod", "edit", "-json"], options)) as GoFile;
    // Our own module beside it is asked of no registry.
    const ours = new Set(file.Replace?.map(({ Old }) => Old.Path));
    const names = file.Require?.map(({ Path }) => Path).filter((name) => !ours.has(name)) ?? [];
    const modules = jsonStream(await ask("go", ["list", "-m", "-u", "-json", ...names], options));
    return modules.map((module) => goFound(folder, module.Path, module));
  });
  return found.flat();
}

/** Go writes one object after the other. */
function jsonStream(text: string): readonly GoModule[] {
  return JSON.parse(`[${text.trim().replaceAll(/^\}\n\{/gm, "},\n{")}]`) as readonly GoModule[];
}

function goFound(place: string, name: string, { Version = "", Time, Update }: GoModule): Found {
  const versions = Update === undefined ? [Version] : [Version, Update.Version];
  return { place, name, pinned: Version, versions, pinnedTime: Time === undefined ? undefined : new Date(Time) };
}

/** The programs written in Go that tests build: their versions stand in the files that build them. */
async function testPrograms(root: string): Promise<readonly Found[]> {
  const programs = [
    ["github.com/jaegertracing/jaeger", "test/observability/run.ts", /jaegerVersion = "([^"]+)"/],
    ["connectrpc.com/conformance", "test/conformance/run.ts", /suiteVersion = "([^"]+)"/],
    ["github.com/summerwind/h2spec", "test/conformance/run.ts", /h2specVersion = "([^"]+)"/],
  ] as const;
  return inTurns(programs, async ([name, path, pattern]) => {
    const pinned = pattern.exec(read(root, path))?.[1];
    if (pinned === undefined) throw new Error(`${path} names no version of ${name}`);
    const list = async (version: string) =>
      JSON.parse(await ask("go", ["list", "-m", "-json", `${name}@${version}`], { cwd: root })) as GoModule;
    const [now, newest] = [await list(pinned), await list("latest")];
    return goFound("test programs", name, { ...now, Update: { Version: newest.Version! } });
  });
}

async function rust(root: string): Promise<readonly Found[]> {
  const cwd = join(root, "clients/rust");
  const metadata = JSON.parse(await ask("cargo", ["metadata", "--format-version=1", "--no-deps"], { cwd })) as {
    readonly packages: readonly {
      readonly dependencies: readonly { readonly name: string; readonly path?: string }[];
    }[];
  };
  const direct = metadata.packages.flatMap(({ dependencies }) => dependencies).filter(({ path }) => path === undefined);
  const locked = new Map(
    [...read(root, "clients/rust/Cargo.lock").matchAll(/^name = "([^"]+)"\nversion = "([^"]+)"/gm)].map(
      ([, name = "", version = ""]) => [name, version] as const,
    ),
  );
  return inTurns([...new Set(direct.map(({ name }) => name))].toSorted(), async (name): Promise<Found> => {
    const answer = await ask("cargo", ["info", "--quiet", "--registry", "crates-io", name], { cwd });
    const [, shown = "", latest] = /^version: (\S+)(?: \(latest (\S+)\))?/m.exec(answer) ?? [];
    return { place: "clients/rust", name, pinned: locked.get(name) ?? shown, versions: [shown, latest ?? shown] };
  });
}

/** Maven's plugin for versions writes `group:artifact ... 1.0 -> 1.1`, on two lines when it is long. */
export function readMaven(text: string): readonly Found[] {
  const lines = text.replaceAll(/^\[INFO\] ?/gm, "").replaceAll(/\.\.\.\n\s+/g, "... ");
  const pattern = /^\s+([\w.-]+:[\w.-]+) \.+\s+(\S+)(?: -> (\S+))?$/gm;
  const found = new Map<string, Found>();
  for (const [, name = "", pinned = "", newest = pinned] of lines.matchAll(pattern))
    found.set(`${name} ${pinned}`, { place: "clients/java", name, pinned, versions: [pinned, newest] });
  const all = [...found.values()];
  // What a bill of materials decides is behind when the bill is.
  const billed = all.flatMap(({ name }) => (name.endsWith("-bom") ? [name.slice(0, name.indexOf(":"))] : []));
  return all.filter(({ name }) => name.endsWith("-bom") || !billed.some((group) => name.startsWith(group)));
}

/** What the poms pin but plugins, of which Maven reports only those for each old Maven. */
async function java(root: string): Promise<readonly Found[]> {
  const answer = await ask(
    "mvn",
    [
      "-B",
      "-ntp",
      "-Dstyle.color=never",
      "-DprocessDependencyManagementTransitive=false",
      "-Dverbose=true",
      String.raw`-Dmaven.version.ignore=(?i).+-(alpha-|beta|rc|cr|m)\d*.*`,
      "org.codehaus.mojo:versions-maven-plugin:2.19.1:display-dependency-updates",
    ],
    { cwd: join(root, "clients/java") },
  );
  return readMaven(answer).filter(({ name }) => !name.startsWith("io.github.claude-runner:"));
}
