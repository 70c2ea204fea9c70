import { once } from "node:events";
import { createServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { Code } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { type ClaudeRunnerClient, ClaudeRunnerError, connect } from "../src/node.ts";

/** A client of a server that does this with every call, and how many calls came. */
async function served(play: (stream: ServerHttp2Stream) => void) {
  const calls: string[] = [];
  const server = createServer();
  server.on("stream", (stream, { ":path": path }) => {
    calls.push(path ?? "");
    stream.on("error", () => {});
    play(stream);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = connect({ address, token: "", retry: { maxAttempts: 4, initialBackoffMs: 1, maxBackoffMs: 1 } });
  return {
    client,
    calls,
    [Symbol.asyncDispose]: async () => {
      client.close();
      const closed = once(server, "close");
      server.close();
      await closed;
    },
  };
}

async function failureOf(call: Promise<unknown>): Promise<ClaudeRunnerError> {
  const failure = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(ClaudeRunnerError);
  return failure as ClaudeRunnerError;
}

const ways: readonly [string, (client: ClaudeRunnerClient) => Promise<unknown>][] = [
  ["a collected turn", (client) => client.chat("x")],
  ["a streamed turn", (client) => client.stream("x").result()],
];

test.each(ways)("%s that has sent its headers is not asked for again", async (_, call) => {
  await using server = await served((stream) => {
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "14" }));
    stream.end();
  });
  expect(await failureOf(call(server.client))).toMatchObject({ code: Code.Unavailable, mayRetry: false });
  expect(server.calls).toHaveLength(1);
});

test.each(ways)("%s that is refused is asked for again", async (_, call) => {
  await using server = await served((stream) => {
    stream.respond({ ":status": 200, "content-type": "application/grpc", "grpc-status": "14" }, { endStream: true });
  });
  expect(await failureOf(call(server.client))).toMatchObject({ code: Code.Unavailable, mayRetry: true });
  expect(server.calls).toHaveLength(4);
});
