/**
 * Which modules the page is made of: from its entry along every import, the page's own and those of libraries.
 *
 * What comes out is everything that is ever served as a module. It is made once, at start, and no request adds to it. It
 * is read in one go: at start nothing else is going on, and that is several times faster than file by file.
 */
import { readFileSync } from "node:fs";
import { importsOf } from "./module-source.ts";

export interface PageModule {
  /** Where the browser finds it, relative to the page. */
  readonly path: string;
  readonly file: URL;
  /** Whether it is a library's: its path has the version in it, so its content never changes. */
  readonly isLibrary: boolean;
}

export interface ModuleGraph {
  /** The entry first, the others by their path: every server of one version has the same order. */
  readonly modules: readonly PageModule[];
  /** For an import map: a library as it is named, and the path of its module. */
  readonly imports: Readonly<Record<string, string>>;
}

/** Walks the modules below `root` and the libraries that they name. Throws when one of them is not there. */
export function walkModules(entry: URL, root: URL): ModuleGraph {
  const modules = new Map<string, PageModule>();
  const imports = new Map<string, string>();
  const placeOf = modulePlaces(root);
  const waiting = [entry];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (modules.has(file.href)) continue;
    modules.set(file.href, placeOf(file));
    for (const name of importsOf(readFileSync(file, "utf8"))) {
      const isRelative = name.startsWith(".");
      // The page's libraries are dependencies of this package, so from here they are found as Node finds them.
      const target = new URL(isRelative ? new URL(name, file) : import.meta.resolve(name));
      if (!isRelative) imports.set(name, `./${placeOf(target).path}`);
      waiting.push(target);
    }
  }
  const [first, ...others] = modules.values();
  if (first === undefined) throw new Error("bug: the page has no entry");
  return {
    modules: [first, ...others.sort((a, b) => (a.path < b.path ? -1 : 1))],
    imports: Object.fromEntries([...imports].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

/** Gives every file a path that says what it is: `page/web/main.ts`, `page/lib/marked@18.2.1/lib/marked.esm.js`. */
function modulePlaces(root: URL): (file: URL) => PageModule {
  const versions = new Map<string, string>();
  return (file) => {
    // The packed package lies below a node_modules itself.
    const path = file.href.startsWith(root.href) ? file.href.slice(root.href.length) : undefined;
    if (path !== undefined && !path.startsWith("node_modules/")) {
      return { path: `page/${path}`, file, isLibrary: false };
    }
    const library = /^(.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\/)(.+)$/.exec(file.href);
    if (library === null) throw new Error(`${file.href} is neither the page's nor a library's`);
    const [, base = "", name = "", rest = ""] = library;
    const version = versions.get(base) ?? versionOf(new URL("package.json", base));
    versions.set(base, version);
    return { path: `page/lib/${name}@${version}/${rest}`, file, isLibrary: true };
  };
}

function versionOf(manifest: URL): string {
  return (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version;
}
