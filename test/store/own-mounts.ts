/**
 * Small file systems of its own for a process, where this user may make one.
 */
import { execFileSync } from "node:child_process";

/** What a command is preceded with that mounts something for itself. */
export const ownMounts = ["unshare", "--mount", "--map-root-user"];

export const canMount = (() => {
  try {
    execFileSync("unshare", [...ownMounts.slice(1), "mount", "-t", "tmpfs", "none", "/mnt"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();
