import { once } from "node:events";
import { constants, createServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { Code } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { type ClaudeRunnerClient, ClaudeRunnerError, connect } from "../src/node.ts";

const quick = { maxAttempts: 4, initialBackoffMs: 1, maxBackoffMs: 1 };

/** A client of a server that does this with every call, the how-manieth it is from 1, and how many calls came. */
async function served(play: (stream: ServerHttp2Stream, attempt: number) => void, retry: typeof quick | false = quick) {
  const calls: string[] = [];
  const server = createServer();
  server.on("stream", (stream, { ":path": path }) => {
    calls.push(path ?? "");
    stream.on("error", () => {});
    play(stream, calls.length);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = connect({ address, token: "", retry });
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

const answerHeaders = { ":status": 200, "content-type": "application/grpc", "claude-runner-turn-id": "turn-7" };
const refuse = (stream: ServerHttp2Stream, status: string) =>
  stream.respond({ ":status": 200, "content-type": "application/grpc", "grpc-status": status }, { endStream: true });

test.each(ways)("%s that the server has not looked at is asked for again at once", async (_, call) => {
  await using server = await served((stream, attempt) => {
    if (attempt === 1) stream.close(constants.NGHTTP2_REFUSED_STREAM);
    else refuse(stream, "5");
  });
  expect(await failureOf(call(server.client))).toMatchObject({ code: Code.NotFound });
  expect(server.calls).toHaveLength(2);
});

test.each(ways)("%s is asked for again when it crosses the end of its connection", async (_, call) => {
  await using server = await served((stream, attempt) => {
    // The first stream was looked at, and the second was not.
    if (attempt === 2) stream.session?.goaway(constants.NGHTTP2_NO_ERROR, 1);
    else refuse(stream, "5");
  });
  await failureOf(call(server.client));
  expect(await failureOf(call(server.client))).toMatchObject({ code: Code.NotFound });
  expect(server.calls).toHaveLength(3);
});

test.each(ways)("%s that the server never looks at is given up, and may be asked for again", async (_, call) => {
  const refused = (stream: ServerHttp2Stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM);
  for (const [retry, callCount] of [[quick, 4] as const, [false, 1] as const]) {
    await using server = await served(refused, retry);
    expect(await failureOf(call(server.client))).toMatchObject({ code: Code.Unavailable, mayRetry: true });
    expect(server.calls).toHaveLength(callCount);
  }
});

test.each(ways)("%s whose connection breaks behind its headers names itself", async (_, call) => {
  await using server = await served((stream) => {
    stream.respond(answerHeaders);
    setImmediate(() => stream.session?.destroy());
  });
  expect(await failureOf(call(server.client))).toMatchObject({ mayRetry: false, turnId: "turn-7" });
  expect(server.calls).toHaveLength(1);
});

test.each([
  { retry: quick, rejoin: false },
  { retry: quick, rejoin: true },
  { retry: false as const, rejoin: false },
])("a streamed turn knows its id as soon as its headers came, with %j", async ({ retry, rejoin }) => {
  await using server = await served((stream, attempt) => {
    if (attempt === 1) stream.respond(answerHeaders);
    else refuse(stream, "5");
  }, retry);
  const turn = server.client.stream("x", { rejoin });
  const failure = failureOf(turn.result());
  while (turn.turnId === "") await new Promise((resolve) => setImmediate(resolve));
  expect(turn.turnId).toBe("turn-7");
  turn.cancel();
  expect(await failure).toMatchObject({ code: Code.Canceled, turnId: "turn-7" });
});
