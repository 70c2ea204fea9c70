import { describe, expect, it } from "vitest";
import { settingsSchema } from "../../../src/config/settings.ts";
import type { WebHandler, WebRequest, WebResponse } from "../../../src/server/calls/http-exchange.ts";
import { webHandler } from "../../../src/server/web/web-handler.ts";
import { judge } from "../../../src/server/web/web-rules.ts";
import { FakeClock } from "../../fake-clock.ts";

const app = "https://app.example.com";
const settings = settingsSchema.parse({ web: { allowedOrigins: [app] } });

function requestOf({ method = "POST", url = "/", origin }: { method?: string; url?: string; origin?: string }) {
  const headers = { host: "localhost:50052", ...(origin !== undefined && { origin }) };
  const socket = { localAddress: "127.0.0.1" };
  return { method, url, headers, rawHeaders: Object.entries(headers).flat(), socket, complete: true } as WebRequest;
}

describe("what becomes of a request on the web port", () => {
  it("allowed origins are named in the answer, and nothing else is", () => {
    expect(judge(requestOf({ url: "/a?b", origin: app }), settings)).toMatchObject({
      kind: "allowed",
      target: "/a?b",
      headers: { vary: "Origin", "access-control-allow-origin": app },
    });
    expect(judge(requestOf({}), settings)).toEqual({ kind: "allowed", target: "/", headers: { vary: "Origin" } });
  });

  it("a preflight is answered for an allowed origin only", () => {
    const asked = { method: "OPTIONS", url: "/a" };
    expect(judge(requestOf({ ...asked, origin: app }), settings)).toMatchObject({
      kind: "preflight",
      headers: { "access-control-allow-origin": app, "access-control-allow-methods": "POST" },
    });
    expect(judge(requestOf({ ...asked, origin: "https://evil.example" }), settings)).toMatchObject({
      kind: "refused",
      refusal: { status: 403 },
    });
    expect(judge(requestOf(asked), settings)).toMatchObject({ kind: "allowed" });
  });

  it("the server's own page is no cross-origin call", () => {
    expect(judge(requestOf({ origin: "http://localhost:50052" }), settings)).toEqual({
      kind: "allowed",
      target: "/",
      headers: {},
    });
  });
});

describe("the routes of the web port", () => {
  const said: string[] = [];
  const saying = (words: string) => () => void said.push(words);
  const route = (taken: string, words: string) => ({
    handlerOf: (_: WebRequest, path: string): WebHandler | undefined => (path === taken ? saying(words) : undefined),
  });
  const responseTo = (request: WebRequest, ...routes: ReturnType<typeof route>[]) => {
    let status = 0;
    const response = {
      setHeader: () => {},
      writeHead(code: number) {
        status = code;
        return this;
      },
      end: () => {},
    };
    const log = { info() {}, warn() {}, error() {} };
    webHandler({ settings, routes, clock: new FakeClock(), log })(request, response as unknown as WebResponse);
    return { status, said: said.splice(0) };
  };

  it("are asked in order for a request's path, and the first that has it answers", () => {
    const routes = [route("/a", "first"), route("/b", "second"), route("/b", "third")];
    expect(responseTo(requestOf({ url: "/b?x" }), ...routes)).toEqual({ status: 0, said: ["second"] });
    expect(responseTo(requestOf({ url: "/c" }), ...routes)).toEqual({ status: 404, said: [] });
  });

  it("see no request that the rules refuse", () => {
    const asked = requestOf({ url: "/a", origin: "https://evil.example" });
    expect(responseTo(asked, route("/a", "reached"))).toEqual({ status: 403, said: [] });
  });
});
