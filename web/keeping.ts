/**
 * Where the words of a conversation are, in words: at the server and for how long, or in this page alone. Pure.
 */
import {
  type GetInfoResponse,
  type ProfileInfo,
  RetainedKind,
  StorageKind,
} from "../clients/typescript/src/gen/claude/runner/v1/runner_pb.ts";
import { millisecondsOf, timeText } from "./format.ts";

export interface Keeping {
  readonly words: string;
  readonly tone: "info" | "warning";
}

export function keepingOf(
  { storage }: Pick<GetInfoResponse, "storage">,
  profile: Pick<ProfileInfo, "name" | "keepsContent"> | undefined,
): Keeping {
  if (profile?.keepsContent !== true) {
    const why = profile === undefined ? "" : `The profile ${profile.name} keeps no words. `;
    const words = `${why}The conversation is in this page only, and gone when you leave or reload it.`;
    return { words, tone: profile === undefined ? "info" : "warning" };
  }
  // Why there is no file is the operator's, and the rest of that sentence is this one.
  if (storage?.kind === StorageKind.MEMORY) {
    return { words: "The server keeps conversations in memory only: they are gone when it restarts.", tone: "warning" };
  }
  const problem = storage === undefined || storage.problem === "" ? "" : ` ${sentence(storage.problem)}`;
  const retention = storage?.retained.find(({ kind }) => kind === RetainedKind.SESSION)?.retention;
  const until =
    retention === undefined
      ? "until you delete it"
      : `for ${timeText(millisecondsOf(retention))} after its last change, or until you delete it`;
  const words = `The server keeps the conversation ${until}.${problem}`;
  return { words, tone: problem === "" ? "info" : "warning" };
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
