import { createHash } from "node:crypto";
import { request as httpRequest } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestServers, type TestServers, testToken } from "../scripted-runner.ts";

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

/** By hand: `fetch` would tidy paths up before it sends them. */
function ask(server: TestServers, { method = "GET", path = "/", headers = {}, body = "" }: Sent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(server.webUrl);
    const outgoing = httpRequest({ hostname, port, method, path, headers, agent: false }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.on("end", () =>
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: Buffer.concat(chunks) }),
      );
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

const chat: Sent = {
  method: "POST",
  path: "/claude.runner.v1.ClaudeRunner/Chat",
  headers: { authorization: `Bearer ${testToken}`, "content-type": "application/json" },
  body: JSON.stringify({ prompt: "count 1" }),
};
const chatFrom = (headers: Record<string, string>): Sent => ({ ...chat, headers: { ...chat.headers, ...headers } });

describe("the page", () => {
  let test: TestServers;
  beforeAll(async () => {
    test = await startTestServers();
  });
  afterAll(() => test.stop());
  const get = (path: string, headers: Record<string, string> = {}) => ask(test, { path, headers });
  const modulesOf = (html: Buffer) =>
    [...html.toString().matchAll(/<link rel="modulepreload" href="([^"]+)">/g)].map(([, path]) => `/${path}`);

  it("loads without a token", async () => {
    const { status, headers, body } = await get("/");
    expect(status).toBe(200);
    expect(headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(body.toString()).toContain("<title>claude-runner</title>");
  });

  it("comes with every module that it needs, each of them served, and every name that they use is known", async () => {
    const { body } = await get("/");
    const paths = modulesOf(body);
    const known = new Set(paths);
    const importMap = JSON.parse(/<script type="importmap">(.*)<\/script>/.exec(body.toString())?.[1] ?? "") as {
      readonly imports: Readonly<Record<string, string>>;
    };
    expect(paths.length).toBeGreaterThan(100);
    for (const path of paths) {
      const { status, headers, body: source } = await get(path);
      expect([path, status, headers["content-type"]]).toEqual([path, 200, "text/javascript; charset=utf-8"]);
      // Anything that looks like an import, wherever it stands.
      for (const [, name = ""] of source
        .toString()
        .matchAll(/^\s*(?:import|export)\b(?:[^"'();=]*?\bfrom)?\s*["']([^"'\n]+)["']/gm)) {
        const target = name.startsWith(".")
          ? new URL(name, `http://page${path}`).pathname
          : importMap.imports[name]?.slice(1);
        expect([path, name, known.has(target ?? "")]).toEqual([path, name, true]);
      }
    }
  });

  it("sends its own modules without types, so that a browser can run them", async () => {
    const { body } = await get("/page/web/format.ts");
    expect(body.toString()).toContain("export function timeText(ms        )         {");
  });

  it("may run, load and call nothing but its own, says the policy, on every file of it", async () => {
    const html = await get("/");
    const inline = /<script type="importmap">(.*?)<\/script>/s.exec(html.body.toString())?.[1] ?? "";
    const hash = createHash("sha256").update(inline).digest("base64");
    for (const answer of [html, await get("/page/web/base.css"), await get("/page/web/main.ts")]) {
      expect(answer.headers["content-security-policy"]).toBe(
        `default-src 'none'; script-src 'self' 'sha256-${hash}'; style-src 'self'; connect-src 'self'; img-src 'self'; ` +
          "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
      );
      expect(answer.headers).toMatchObject({
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
      });
    }
    // The import map is the only script in the page, and there are no styles and handlers in it.
    const text = html.body.toString();
    expect(text.match(/<script(?![^>]*\bsrc=)/g)).toHaveLength(1);
    expect(text).not.toMatch(/<style|\sstyle=|\son\w+=/);
  });

  it("is asked for again each time and sent only when it has changed; a library's files are kept", async () => {
    const own = await get("/page/web/main.ts");
    expect(own.headers["cache-control"]).toBe("no-cache");
    const etag = String(own.headers.etag);
    const again = await get("/page/web/main.ts", { "if-none-match": `"other", ${etag}` });
    expect(again).toMatchObject({ status: 304, headers: { etag } });
    expect(again.body).toHaveLength(0);
    expect((await get("/page/web/main.ts", { "if-none-match": '"other"' })).status).toBe(200);

    const library = modulesOf((await get("/")).body).find((path) => path.startsWith("/page/lib/"));
    expect(library).toMatch(/^\/page\/lib\/(@[\w-]+\/)?[\w-]+@\d+\.\d+\.\d+\//);
    expect((await get(library ?? "")).headers["cache-control"]).toBe("public, max-age=31536000, immutable");
  });

  it("is compressed for whoever takes that", async () => {
    const plain = await get("/page/web/chat.ts");
    const zipped = await get("/page/web/chat.ts", { "accept-encoding": "br, gzip" });
    expect(plain.headers["content-encoding"]).toBeUndefined();
    expect(zipped.headers).toMatchObject({ "content-encoding": "gzip", vary: "Origin, Accept-Encoding" });
    expect(gunzipSync(zipped.body)).toEqual(plain.body);
    for (const [accepted, encoding] of [
      ["gzip;q=0", undefined],
      ["gzip; q=0.0, br", undefined],
      ["gzip;q=0.5", "gzip"],
    ] as const) {
      const { headers } = await get("/page/web/chat.ts", { "accept-encoding": accepted });
      expect([accepted, headers["content-encoding"]]).toEqual([accepted, encoding]);
    }
  });

  it("answers HEAD with the headers alone, and anything but GET and HEAD with 405", async () => {
    const head = await ask(test, { method: "HEAD" });
    expect(head).toMatchObject({ status: 200, body: Buffer.alloc(0) });
    expect(Number(head.headers["content-length"])).toBe((await get("/")).body.length);
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      expect(await ask(test, { method })).toMatchObject({ status: 405, headers: { allow: "GET, HEAD" } });
    }
  });

  it.each([
    "/page",
    "/page/",
    "/page/web/",
    "/page/web/index.html",
    "/page/web/tsconfig.json",
    "/page/web/none.ts",
    "/page/web/../../package.json",
    "/page/web/%2e%2e/%2e%2e/package.json",
    "/page/../src/main.ts",
    "/page/src/main.ts",
    "/page/web/main.ts/",
    "/page/web//main.ts",
    "/page/web/main.ts%00",
    "//page/web/main.ts",
    "/package.json",
    "/page/lib/@bufbuild/protobuf/package.json",
  ])("has nothing at %s", async (path) => {
    expect((await get(path)).status).toBe(404);
  });

  it("has nothing for gRPC, which is told in gRPC's way", async () => {
    const answer = await ask(test, { method: "POST", headers: { "content-type": "application/grpc" } });
    expect(answer).toMatchObject({ status: 200, headers: { "grpc-status": "12" } });
  });

  it("is not for other hosts, nor for pages of other origins", async () => {
    for (const path of ["/", "/page/web/main.ts"]) {
      expect((await get(path, { host: "evil.example.com" })).status).toBe(421);
      expect((await get(path, { origin: "https://evil.example.com" })).status).toBe(403);
    }
  });

  it("is loaded over HTTP/2 as well", async () => {
    const session = connectHttp2(test.webUrl);
    const stream = session.request({ ":path": "/page/web/main.ts" });
    const status = await new Promise((resolve) => stream.on("response", (headers) => resolve(headers[":status"])));
    let text = "";
    for await (const chunk of stream.setEncoding("utf8")) text += chunk;
    session.close();
    expect(status).toBe(200);
    expect(text).toContain("new App");
  });

  it("may call this server: it has the origin that it calls", async () => {
    const { host } = new URL(test.webUrl);
    const own = await ask(test, chatFrom({ origin: `http://${host}` }));
    expect(own.status).toBe(200);
    // It is no cross-origin call.
    expect(Object.keys(own.headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
  });

  it("may not be one of another port, scheme or name of this machine", async () => {
    const { port } = new URL(test.webUrl);
    const before = test.runner.calls.length;
    for (const origin of [
      `https://127.0.0.1:${port}`,
      `http://localhost:${port}`,
      "http://127.0.0.1:1",
      "http://127.0.0.1",
      "null",
    ]) {
      expect([origin, (await ask(test, chatFrom({ origin }))).status]).toEqual([origin, 403]);
    }
    expect(test.runner.calls).toHaveLength(before);
  });

  it("may not be one of a name that was pointed at this server, though its Host and Origin agree", async () => {
    const { port } = new URL(test.webUrl);
    const host = `rebound.example.com:${port}`;
    expect((await ask(test, chatFrom({ host, origin: `http://${host}` }))).status).toBe(421);
  });
});

describe("the page behind a proxy that does TLS", () => {
  let test: TestServers;
  beforeAll(async () => {
    test = await startTestServers({
      change: (settings) => {
        settings.behindProxy = true;
      },
    });
  });
  afterAll(() => test.stop());

  it("is known by https and the name that the proxy passes on", async () => {
    const host = "runner.example.com";
    expect((await ask(test, chatFrom({ host, origin: `https://${host}` }))).status).toBe(200);
    expect((await ask(test, chatFrom({ host, origin: `http://${host}` }))).status).toBe(403);
    expect((await ask(test, chatFrom({ host, origin: "https://other.example.com" }))).status).toBe(403);
  });
});

describe("the page over TLS", () => {
  let test: TestServers;
  beforeAll(async () => {
    test = await startTestServers({ tls: true });
  });
  afterAll(() => test.stop());

  it("is known by https, over HTTP/2", async () => {
    const session = connectHttp2(test.webUrl, { rejectUnauthorized: false });
    const post = (origin: string) =>
      new Promise((resolve, reject) => {
        const stream = session.request({ ":method": "POST", ":path": chat.path, ...chat.headers, origin });
        stream.on("response", (headers) => resolve(headers[":status"])).on("error", reject);
        stream.end(chat.body);
        stream.resume();
      });
    const { host } = new URL(test.webUrl);
    expect(await post(`https://${host}`)).toBe(200);
    expect(await post(`http://${host}`)).toBe(403);
    session.close();
  });
});

describe("a web port whose page is switched off", () => {
  let test: TestServers;
  beforeAll(async () => {
    test = await startTestServers({
      change: (settings) => {
        settings.web.page = false;
      },
    });
  });
  afterAll(() => test.stop());

  it("has no page, and lets in no page of its own origin", async () => {
    expect((await ask(test, {})).body.toString()).toMatch(/^This is claude-runner/);
    expect((await ask(test, { path: "/page/web/main.ts" })).status).toBe(404);
    const { origin } = new URL(test.webUrl);
    expect((await ask(test, chatFrom({ origin }))).status).toBe(403);
  });
});
