/**
 * What the rules between settings must know about the disk. It is looked up here, so that the rules stay pure.
 */
import { statSync } from "node:fs";
import { readRegularFile, UnreadableFileError } from "../regular-file.ts";

export interface Disk {
  isFolder(path: string): boolean;
  /** What keeps a certificate or a key from being read, as it goes on from the file's name; `undefined` if nothing does. */
  pemProblem(file: string): string | undefined;
}

/** Larger ones are no certificates, in bytes. */
const maxPemBytes = 4 * 1024 * 1024;

/** The machine's own. */
export const machineDisk: Disk = {
  isFolder: (path) => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false,
  pemProblem(file) {
    try {
      readRegularFile(file, { maxBytes: maxPemBytes });
      return undefined;
    } catch (error) {
      if (!(error instanceof UnreadableFileError)) throw error;
      return error.problem;
    }
  },
};
