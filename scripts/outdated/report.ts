/**
 * What is behind, from what is pinned and what the registries have. Pure. Leaves out how they are asked (`registries.ts`).
 */

/** A pinned dependency and the versions that its registry has. */
export interface Found {
  /** The folder whose file pins it, `root` for the repository's own. */
  readonly place: string;
  readonly name: string;
  /** As the file has it: `1.2.3`, or a range such as `^1.2.3`. */
  readonly pinned: string;
  readonly versions: readonly string[];
  /** When the pinned version came out, where the registry says so. */
  readonly pinnedTime?: Date | undefined;
  readonly note?: string;
}

/** Held on purpose: within a line such as `24`, or because one version was tried and refused. */
export type KeptBack = { readonly place: string; readonly name: string; readonly reason: string } & (
  | { readonly line: string; readonly refused?: undefined }
  | { readonly refused: string; readonly line?: undefined }
);

export interface Row {
  readonly place: string;
  readonly name: string;
  readonly pinned: string;
  readonly newest: string;
  readonly ageDays: number | undefined;
  readonly state: "current" | "behind" | "keptBack";
  readonly note: string;
}

function isPreRelease(version: string): boolean {
  const [bare = ""] = version.replace(/^[v^~]+/, "").split("+");
  return /-|[a-z]/i.test(bare.replace(/\.(post\d+|Final)$/, ""));
}

/** Numbers by value, part for part; a pre-release comes before its release. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => {
    const [numbers = "", ...rest] = version.replace(/^[v^~]+/, "").split("-");
    return { parts: numbers.split(/[.+]/).map((part) => Number.parseInt(part.replace(/^\D+/, ""), 10) || 0), rest };
  });
  for (let at = 0; at < Math.max(left!.parts.length, right!.parts.length); at++) {
    const difference = (left!.parts[at] ?? 0) - (right!.parts[at] ?? 0);
    if (difference !== 0) return difference;
  }
  if (left!.rest.length === 0 || right!.rest.length === 0) return right!.rest.length - left!.rest.length;
  return left!.rest.join("-").localeCompare(right!.rest.join("-"), "en", { numeric: true });
}

/** The newest release; pre-releases count only for what is pinned to one. */
export function newestOf(pinned: string, versions: readonly string[]): string {
  const allowed = versions.filter((version) => isPreRelease(pinned) || !isPreRelease(version));
  const newest = allowed.toSorted(compareVersions).at(-1) ?? pinned;
  return compareVersions(newest, pinned) > 0 ? newest : pinned;
}

const isInLine = (version: string, line: string) => version === line || version.startsWith(`${line}.`);

/** Whether a range already lets the version in: `^1.2.3` the whole of 1, `^0.2.3` the whole of 0.2. */
function admits(range: string, version: string): boolean {
  if (!range.startsWith("^")) return false;
  const [major = "", minor = ""] = range.slice(1).split(".");
  return isInLine(version, major === "0" ? `${major}.${minor}` : major);
}

export function judge(found: Found, keptBack: readonly KeptBack[], now: Date): Row {
  const { place, name, pinned, versions, pinnedTime } = found;
  const newest = newestOf(pinned, versions);
  const kept = keptBack.find((entry) => entry.place === place && entry.name === name);
  const ageDays = pinnedTime && Math.floor((now.getTime() - pinnedTime.getTime()) / 86_400_000);
  const row = { place, name, pinned, newest, ageDays };
  if (compareVersions(newest, pinned) === 0 || admits(pinned, newest))
    return { ...row, state: "current", note: found.note ?? "" };
  if (kept === undefined) return { ...row, state: "behind", note: found.note ?? "" };
  const held =
    kept.line === undefined
      ? compareVersions(newest, kept.refused) <= 0
      : isInLine(pinned, kept.line) &&
        newestOf(
          pinned,
          versions.filter((version) => isInLine(version, kept.line)),
        ) === pinned;
  if (held) return { ...row, state: "keptBack", note: `kept back: ${kept.reason}` };
  const why = kept.line === undefined ? `newer than ${kept.refused}, which was refused` : `behind in line ${kept.line}`;
  return { ...row, state: "behind", note: `${why}: look again` };
}

/** The newest version that all of them have, as one. What only some have is in the note. */
export function together(name: string, parts: readonly Found[]): Found {
  const first = parts[0]!;
  const versions = first.versions.filter((version) => parts.every((part) => part.versions.includes(version)));
  const newest = newestOf(first.pinned, versions);
  const early = newestOf(
    first.pinned,
    parts.flatMap((part) => part.versions),
  );
  const note = early === newest ? {} : { note: `${early} is there for some platforms only` };
  return { place: first.place, name, pinned: first.pinned, versions, pinnedTime: first.pinnedTime, ...note };
}

/** What is not current as a table for each place, and how many more there are. */
export function render(rows: readonly Row[]): string {
  const places = [...new Set(rows.map(({ place }) => place))];
  return places
    .map((place) => {
      const here = rows.filter((row) => row.place === place);
      const shown = here.filter(({ state, note }) => state !== "current" || note !== "");
      const currentCount = here.filter(({ state }) => state === "current").length;
      return [`${place}: ${currentCount} of ${here.length} at their newest`, ...table(shown)].join("\n");
    })
    .join("\n\n");
}

function table(rows: readonly Row[]): readonly string[] {
  if (rows.length === 0) return [];
  const cells = rows.map(({ name, pinned, newest, ageDays, state, note }) => [
    name,
    pinned,
    newest,
    ageDays === undefined ? "-" : `${ageDays} days`,
    state === "behind" ? `BEHIND${note && `: ${note}`}` : note,
  ]);
  const all = [["name", "pinned", "newest", "age", ""], ...cells];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((line) => line[column]!.length)));
  return all.map((line) => `  ${line.map((cell, column) => cell.padEnd(widths[column]!)).join("  ")}`.trimEnd());
}

/** 2: something could not be looked at. 1: something is behind. */
export function exitCode(rows: readonly Row[], unreachable: readonly string[]): 0 | 1 | 2 {
  if (unreachable.length > 0) return 2;
  return rows.some(({ state }) => state === "behind") ? 1 : 0;
}
