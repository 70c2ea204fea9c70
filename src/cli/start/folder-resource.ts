/**
 * A worker's private folders as what it has for itself: made before its start, swept when nothing of it is left.
 */
import type { ProfileSettings } from "../../config/profile-settings.ts";
import type { OpenResource, StartingWorker, WorkerResource } from "../../worker-resource.ts";
import { endLeftovers } from "../process/leftovers.ts";
import { workspaceOf } from "./launch.ts";
import type { WorkerFolder, WorkFolders } from "./worker-folders.ts";

export interface OpenFolder extends OpenResource {
  readonly folder: WorkerFolder;
  /** Notes which process works in it, for the start after a crash. */
  occupy(pid: number): Promise<void>;
}

export function folderVariables({ home, tmp }: Pick<WorkerFolder, "home" | "tmp">): Readonly<Record<string, string>> {
  return { HOME: home, TMPDIR: tmp, CLAUDE_CODE_TMPDIR: tmp };
}

export class FolderResource implements WorkerResource<OpenFolder> {
  readonly name = "folders";
  readonly #folders: WorkFolders;
  readonly #profiles: Readonly<Record<string, ProfileSettings>>;

  constructor(folders: WorkFolders, profiles: Readonly<Record<string, ProfileSettings>>) {
    this.#folders = folders;
    this.#profiles = profiles;
  }

  async open(
    { id: workerId, profile: profileName, cliSessionId }: StartingWorker,
    signal?: AbortSignal,
  ): Promise<OpenFolder> {
    const profile = this.#profiles[profileName]!;
    const folders = this.#folders;
    const folder = await folders.make({ workerId, workspace: workspaceOf(profile), cliSessionId }, signal);
    return {
      folder,
      variables: folderVariables(folder),
      occupy: (pid) => folders.occupy(folder, pid),
      async close() {
        // Only tools start anything that outlives its worker.
        if (profile.tools.length > 0) await endLeftovers(folder.path);
        await folders.sweep(folder);
      },
    };
  }
}
