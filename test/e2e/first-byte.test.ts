/**
 * When the first byte of an answer leaves, seen on the wire: no response headers before the turn has begun, so that a
 * client may still repeat the call by itself. And the deadline, when it is the server's timer alone that keeps it.
 */
import { once } from "node:events";
import { request as http1Request, type IncomingMessage } from "node:http";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rawCall, requestFrame, streamChatPath } from "./raw-calls.ts";
import { openScene, type Scene, tenants } from "./scene.ts";

describe("on the wire", () => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await openScene({ settings: { profiles: { default: {}, cold: { minSpares: 0, reuse: false } } } });
  });
  afterAll(() => scene.close());

  const http2 = [
    { name: "gRPC, gRPC port", port: () => scene.target.grpcPort, type: "application/grpc" },
    { name: "gRPC, web port", port: () => scene.target.webPort, type: "application/grpc" },
    { name: "gRPC-Web, HTTP/2", port: () => scene.target.webPort, type: "application/grpc-web+proto" },
    { name: "Connect, HTTP/2", port: () => scene.target.webPort, type: "application/connect+proto" },
  ];

  it.each(http2)("$name: a cold turn sends no headers before its worker has the prompt", async ({ port, type }) => {
    const from = scene.book.position;
    let claimed = false;
    const answer = await rawCall({
      port: port(),
      body: requestFrame({ prompt: "[[scenario text]]", profile: "cold" }),
      headers: { "content-type": type },
      token: tenants.acme,
      onHeaders() {
        claimed = scene.book.since(from, "worker changed state").some(({ to }) => to === "claimed");
      },
    });
    expect(answer.httpStatus).toBe(200);
    expect(answer.body.length).toBeGreaterThan(100);
    expect(claimed).toBe(true);
  });

  it.each(["application/grpc-web+proto", "application/connect+proto"])(
    "%s, HTTP/1.1: nor does it there",
    async (type) => {
      const from = scene.book.position;
      const request = http1Request({
        port: scene.target.webPort,
        method: "POST",
        path: streamChatPath,
        headers: { "content-type": type, authorization: `Bearer ${tenants.acme}` },
      });
      request.end(requestFrame({ prompt: "[[scenario text]]", profile: "cold" }));
      const [response] = (await once(request, "response")) as [IncomingMessage];
      expect(scene.book.since(from, "worker changed state").some(({ to }) => to === "claimed")).toBe(true);
      response.resume();
      await once(response, "end");
    },
  );

  it.each(http2.slice(0, 2))("$name: a refusal is a single HEADERS frame", async ({ port, type }) => {
    const answer = await rawCall({
      port: port(),
      body: requestFrame({ prompt: " " }),
      headers: { "content-type": type },
      token: tenants.acme,
    });
    expect(answer).toMatchObject({ isTrailersOnly: true, grpcStatus: Code.InvalidArgument, reason: "INVALID_REQUEST" });
  });

  it.each(http2.slice(0, 2))(
    "$name: the server keeps the deadline of a client that does not",
    async ({ port, type }) => {
      const booked = scene.book.wait(({ message }) => message === "turn ended", scene.book.position);
      const answer = await rawCall({
        port: port(),
        body: requestFrame({ prompt: "[[scenario silence]]" }),
        headers: { "content-type": type, "grpc-timeout": "900m" },
        token: tenants.acme,
      });
      expect(answer).toMatchObject({ grpcStatus: Code.DeadlineExceeded, reason: "DEADLINE_EXCEEDED" });
      expect(await booked).toMatchObject({ outcome: "deadline_exceeded", reason: "deadline_exceeded" });
    },
  );
});
