/**
 * The browser page on the web port: a closed list of files, made at start, that needs no token to load.
 *
 * A request's path is looked up in that list and is never made into a file's path. The page itself (`web/`) is a client
 * like any other; nothing here knows what it calls. Host and Origin were looked at before (`web-rules.ts`).
 */
import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { ServerLog } from "../calls/call-errors.ts";
import { answerPlainly, type StaticFiles, type WebRequest, type WebResponse } from "../calls/http-exchange.ts";
import { ServerStartError } from "../connections/listener.ts";
import { pageHeaders } from "./headers.ts";
import { type ModuleGraph, walkModules } from "./module-graph.ts";
import { moduleSource } from "./module-source.ts";
import { PageFile } from "./page-file.ts";

/** In the packed package everything is compiled, and the page as well. */
const extension = import.meta.filename.endsWith(".ts") ? "ts" : "js";
/** What paths of the page's own files are relative to: the checkout, or `dist/` of the package. */
const root = new URL("../../../", import.meta.url);
const folder = new URL("web/", root);

const contentTypes: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
};
const javascript = "text/javascript; charset=utf-8";
/** Where index.html wants its modules. */
const modulesMark = "<!-- modules -->";

/** Makes the list of the page's files. Throws a ServerStartError when one of them is not there. */
export function openPage(log: ServerLog): StaticFiles {
  try {
    return makePage(log);
  } catch (error) {
    const problem =
      "web.page: some of the page's files are missing; install claude-runner again, or set web.page to false";
    throw new ServerStartError(`${problem} (${error instanceof Error ? error.message : error})`, { cause: error });
  }
}

function makePage(log: ServerLog): StaticFiles {
  const graph = walkModules(new URL(`main.${extension}`, folder), root);
  const importMap = JSON.stringify({ imports: graph.imports });
  const files = new Map<string, PageFile>();
  files.set(
    "/",
    new PageFile({
      file: new URL("index.html", folder),
      contentType: "text/html; charset=utf-8",
      isImmutable: false,
      read: async (file) => (await readFile(file, "utf8")).replace(modulesMark, () => moduleTags(graph, importMap)),
    }),
  );
  for (const { path, file, isLibrary } of graph.modules) {
    files.set(`/${path}`, new PageFile({ file, contentType: javascript, isImmutable: isLibrary, read: moduleSource }));
  }
  for (const name of readdirSync(folder)) {
    const contentType = contentTypes[name.slice(name.lastIndexOf(".") + 1)];
    if (contentType === undefined) continue;
    const read = (file: URL) => readFile(file, "utf8");
    files.set(
      `/page/web/${name}`,
      new PageFile({ file: new URL(name, folder), contentType, isImmutable: false, read }),
    );
  }
  const headers = pageHeaders(importMap);
  return {
    has: (path) => files.has(path),
    answer(request, response, path) {
      if (request.method !== "GET" && request.method !== "HEAD") {
        response.setHeader("allow", "GET, HEAD");
        return answerPlainly(response, 405, "GET only");
      }
      const file = files.get(path);
      if (file === undefined) throw new Error(`bug: the page has no ${path}`);
      send(request, response, file, headers).catch((error: unknown) => {
        log.error({ path, err: error }, "a file of the page could not be read");
        if (response.headersSent) response.destroy();
        else answerPlainly(response, 500, "this file could not be read; the server's log says why");
      });
    },
  };
}

/** The import map, and every module at once instead of one level of imports after the other. */
function moduleTags({ modules }: ModuleGraph, importMap: string): string {
  const preloads = modules.map(({ path }) => `<link rel="modulepreload" href="${path}">`);
  return [
    `<script type="importmap">${importMap}</script>`,
    ...preloads,
    `<script type="module" src="${modules[0]?.path}"></script>`,
  ].join("\n");
}

async function send(
  request: WebRequest,
  response: WebResponse,
  file: PageFile,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const { etag, plain, gzipped } = await file.content();
  const vary = [response.getHeader("vary"), "Accept-Encoding"].filter((name) => name !== undefined).join(", ");
  const common = { ...headers, etag, vary, "cache-control": file.cacheControl };
  if (isKnown(request.headers["if-none-match"], etag)) {
    response.writeHead(304, common);
    response.end();
    return;
  }
  const isGzipped = /\bgzip\b(?!\s*;\s*q=0(?![.]?\d*[1-9]))/.test(String(request.headers["accept-encoding"]));
  const body = isGzipped ? gzipped : plain;
  response.writeHead(200, {
    ...common,
    "content-type": file.contentType,
    "content-length": body.length,
    ...(isGzipped && { "content-encoding": "gzip" }),
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

function isKnown(ifNoneMatch: string | undefined, etag: string): boolean {
  return (ifNoneMatch ?? "").split(",").some((known) => known.trim() === etag);
}
