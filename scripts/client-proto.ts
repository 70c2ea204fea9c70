/**
 * Writes `clients/proto`: the contract as clients compile it, without the validation rules.
 *
 * The rules are for the server, which checks every request anyway. Without them a client needs neither
 * `buf/validate/validate.proto` nor a package that carries it, and two packages in one program cannot bring different
 * copies of it. Names, numbers, types and comments stay as they are, and every run proves that: what is written is
 * compiled and compared with the contract, options apart.
 *
 * `--check` writes nothing and fails when what is there is stale.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

const packageFolder = "claude/runner/v1";
const target = join("clients/proto", packageFolder);
const rulesFile = "buf/validate/validate.proto";

const folder = mkdtempSync(join(tmpdir(), "claude-runner-proto-"));
try {
  const source = join("proto", packageFolder);
  const written = join(folder, packageFolder);
  mkdirSync(written, { recursive: true });
  const names = readdirSync(source).sort();
  for (const name of names) writeFileSync(join(written, name), withoutRules(readFileSync(join(source, name), "utf8")));
  execFileSync("buf", ["format", "-w", folder]);
  const differing = differences(compile("."), compile(folder));
  if (differing.length > 0) throw new Error(`leaving the rules out changed the contract: ${differing.join(", ")}`);

  const fresh = new Map(names.map((name) => [name, readFileSync(join(written, name), "utf8")]));
  if (process.argv.includes("--check")) {
    const present = new Map(readdirSync(target).map((name) => [name, readFileSync(join(target, name), "utf8")]));
    const stale = [...new Set([...fresh.keys(), ...present.keys()])].filter(
      (name) => fresh.get(name) !== present.get(name),
    );
    if (stale.length > 0) {
      console.error(
        `clients/proto is not up to date: run \`npm run generate\` and commit what changes\n  ${stale.join("\n  ")}`,
      );
      process.exitCode = 1;
    } else console.log(`clients/proto is up to date (${fresh.size} files)`);
  } else {
    rmSync(target, { recursive: true, force: true });
    mkdirSync(target, { recursive: true });
    for (const [name, text] of fresh) writeFileSync(join(target, name), text);
  }
} finally {
  rmSync(folder, { recursive: true });
}

/** The source text without the import of the rules, the options that are rules, and the lists of field options. */
function withoutRules(text: string): string {
  let kept = "";
  for (let at = 0; at < text.length; ) {
    const rest = text.slice(at);
    const verbatim = /^(\/\/[^\n]*|"(?:[^"\\]|\\.)*")/.exec(rest)?.[0];
    if (verbatim !== undefined) {
      kept += verbatim;
      at += verbatim.length;
    } else if (rest.startsWith(`import "${rulesFile}";\n`)) {
      at += rest.indexOf("\n") + 1;
    } else if (/^option \(buf\.validate\./.test(rest)) {
      at += endOf(rest, ";");
    } else if (/^\s*\[\s*\(buf\.validate\./.test(rest)) {
      at += endOf(rest, "]");
    } else {
      kept += text[at];
      at += 1;
    }
  }
  return kept.replace(/\n[ \t]+\n(?=\n)/g, "\n").replace(/\{\n\s*\n/g, "{\n");
}

/** The position behind the first `closer` that is outside of strings and of brackets opened after the start. */
function endOf(text: string, closer: ";" | "]"): number {
  let depth = 0;
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}();]/g)) {
    if (token === closer && depth === (closer === "]" ? 1 : 0)) return index + 1;
    if (token === "[" || token === "{" || token === "(") depth += 1;
    if (token === "]" || token === "}" || token === ")") depth -= 1;
  }
  throw new Error(`an option does not end: ${text.slice(0, 80)}`);
}

/** The package's files as descriptors, without source positions. */
function compile(root: string): ReadonlyMap<string, FileDescriptorProto> {
  const image = execFileSync("buf", ["build", root, "--exclude-source-info", "-o", "-"], { maxBuffer: 1 << 26 });
  const files = fromBinary(FileDescriptorSetSchema, image).file.filter(({ name }) => name.startsWith(packageFolder));
  return new Map(files.map((file) => [file.name, file]));
}

/** The files that differ by more than rules. */
function differences(
  one: ReadonlyMap<string, FileDescriptorProto>,
  other: ReadonlyMap<string, FileDescriptorProto>,
): string[] {
  const bytes = (file: FileDescriptorProto | undefined) =>
    file === undefined ? "" : Buffer.from(toBinary(FileDescriptorProtoSchema, ruleless(file))).toString("hex");
  return [...new Set([...one.keys(), ...other.keys()])].filter(
    (name) => bytes(one.get(name)) !== bytes(other.get(name)),
  );
}

function ruleless(file: FileDescriptorProto): FileDescriptorProto {
  file.dependency = file.dependency.filter((path) => path !== rulesFile);
  const messages = [...file.messageType];
  for (let message = messages.pop(); message !== undefined; message = messages.pop()) {
    messages.push(...message.nestedType);
    // Rules are options of these three, and the contract sets no others there.
    if (!message.options?.mapEntry) message.options = undefined;
    for (const field of message.field) field.options = undefined;
    for (const oneof of message.oneofDecl) oneof.options = undefined;
  }
  // Buf's own mark of what was imported.
  file.$unknown = [];
  return file;
}
