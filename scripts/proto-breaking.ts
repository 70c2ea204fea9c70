/**
 * Fails when the .proto files break clients of the newest release. Skipped, with a message, while there is none.
 *
 * The release is taken out of git into a temporary folder, so that a shallow clone does as well.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// A container's checkout often belongs to another user; nothing here runs what is in it.
const trust = ["-c", "safe.directory=*"];

const tag = existsSync(".git") ? newestTag() : undefined;
if (tag === undefined) console.log("skipped: there is no release (a tag v1.2.3) to compare with");
else compareWith(tag);

function newestTag(): string | undefined {
  const tags = execFileSync("git", [...trust, "tag", "--list", "v*", "--sort=-v:refname"], { encoding: "utf8" });
  return tags.split("\n").find((tag) => /^v\d+\.\d+\.\d+$/.test(tag));
}

function compareWith(tag: string): void {
  const folder = mkdtempSync(join(tmpdir(), "claude-runner-proto-"));
  try {
    const archive = join(folder, "release.tar");
    execFileSync("git", [...trust, "archive", "--output", archive, tag, "--", "buf.yaml", "proto", "third_party"]);
    execFileSync("tar", ["-xf", archive, "-C", folder]);
    rmSync(archive);
    const { status } = spawnSync("buf", ["breaking", "--against", folder], { stdio: "inherit" });
    if (status !== 0) console.error(`the contract breaks clients of ${tag}: within v1 it only grows`);
    else console.log(`nothing breaks clients of ${tag}`);
    process.exitCode = status ?? 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
