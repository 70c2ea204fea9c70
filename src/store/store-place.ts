/**
 * Whether a folder is a place for a store: on a disk of this machine, and one that can be written.
 *
 * Locks and memory maps, on which SQLite builds, do not hold across machines.
 */
import { accessSync, constants, existsSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { makePrivateFolder } from "./sqlite/store-files.ts";

/** The magic numbers of statfs(2) for file systems that other machines may write to as well. */
const networkFileSystems: Readonly<Record<number, string>> = {
  26985: "NFS",
  20859: "SMB",
  4283649346: "CIFS",
  4266872130: "SMB2",
  16914839: "9p",
  22092: "NCP",
  1397113167: "AFS",
  1799439955: "AFS",
  1937076805: "Coda",
  12805120: "Ceph",
  198183888: "Lustre",
  1196443219: "GPFS",
  537068840: "OrangeFS",
  1952539503: "OCFS2",
  18225520: "GFS2",
  1702057286: "FUSE",
  3133910204: "VMware shared folder",
  2020557398: "VirtualBox shared folder",
};

/** Why a folder is none. `undefined`: it is one, and is there now. */
export function placeProblem(
  folder: string,
  { mayMake = true, fileSystemOf = (path: string) => statfsSync(path).type } = {},
): string | undefined {
  try {
    const existing = existingAbove(folder);
    const network = networkFileSystems[fileSystemOf(existing) >>> 0];
    if (network !== undefined) {
      return `${folder} is on a network file system (${network}), where a store is not safe: name a folder of a local disk`;
    }
    if (mayMake) makePrivateFolder(folder);
    const place = mayMake ? folder : existing;
    accessSync(place, constants.R_OK | constants.W_OK | constants.X_OK);
    if (!mayMake) return undefined;
    // A read-only mount does not show in the mode.
    const probe = join(folder, `probe-${process.pid}`);
    writeFileSync(probe, "");
    rmSync(probe);
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    return `${folder} cannot be written (${code})`;
  }
}

function existingAbove(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : existingAbove(dirname(path));
}
