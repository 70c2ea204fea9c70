import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { type StreamChatResponse, StreamChatResponseSchema } from "../../gen/claude/runner/v1/runner_pb.ts";
import { rejoinDelaysMs, rejoining } from "../../src/commands/rejoin.ts";
import { RunnerError } from "../../src/runner-error.ts";
import { toConnectError } from "../../src/service/errors.ts";

type Event = MessageInitShape<typeof StreamChatResponseSchema>;
/** One connection: its events, then how it ends. */
type Connection = readonly (Event | Error)[];

const text = (sequence: number): Event => ({ sequence, event: { case: "textDelta", value: { text: `${sequence}` } } });
const result = (sequence: number): Event => ({ sequence, event: { case: "result", value: {} } });
const cut = () => new ConnectError("Stream closed with error code NGHTTP2_INTERNAL_ERROR", Code.Internal);
const unreachable = () => new ConnectError("connect ECONNREFUSED 127.0.0.1:7433", Code.Unavailable);
const refused = (reason: "SESSION_BUSY" | "READER_BEHIND") => toConnectError(new RunnerError(reason, "no"));

/** Reads over connections, one after the other. */
async function read(connections: readonly Connection[]) {
  const left = [...connections];
  const openedAfter: number[] = [];
  const waited: number[] = [];
  const said: string[] = [];
  const got: number[] = [];
  let failure: unknown;
  try {
    const events = rejoining({
      afterSequence: 0,
      async *open(after): AsyncGenerator<StreamChatResponse> {
        openedAfter.push(after);
        for (const next of left.shift() ?? [unreachable()]) {
          if (next instanceof Error) throw next;
          yield create(StreamChatResponseSchema, next);
        }
      },
      signal: new AbortController().signal,
      say: (line) => said.push(line),
      wait: async (ms) => void waited.push(ms),
    });
    for await (const { sequence } of events) got.push(sequence);
  } catch (error) {
    failure = error;
  }
  return { got, failure, openedAfter, waited, said };
}

describe("a turn that is read over several connections", () => {
  it("is one stream without a seam, and says what happened meanwhile", async () => {
    const found = await read([[text(1), text(2), cut()], [cut()], [text(3), result(4)]]);
    expect(found).toMatchObject({ got: [1, 2, 3, 4], failure: undefined, openedAfter: [0, 2, 2] });
    expect(found.said).toEqual([
      expect.stringMatching(/^the connection is lost \(.+\); connecting again$/),
      "connected again",
    ]);
    expect(found.waited).toEqual(rejoinDelaysMs.slice(0, 2));
  });

  it("goes on when a stream ends well before the turn does", async () => {
    expect(await read([[text(1)], [result(2)]])).toMatchObject({ got: [1, 2], failure: undefined });
  });

  it("ends with what the server itself says", async () => {
    const found = await read([[refused("SESSION_BUSY")], [result(1)]]);
    expect(found).toMatchObject({ got: [], openedAfter: [0], said: [] });
    expect(String(found.failure)).toContain("no");
  });

  it("does not wait for a server that was never there", async () => {
    expect(await read([[unreachable()]])).toMatchObject({ openedAfter: [0], waited: [] });
  });

  it("waits for one that was there, and not for ever", async () => {
    const found = await read([[text(1), cut()]]);
    expect(found.waited).toEqual(rejoinDelaysMs);
    expect(String(found.failure)).toContain("ECONNREFUSED");
  });

  it("counts its tries anew once events have come", async () => {
    const connections = [1, 2, 3].map((sequence): Connection => [text(sequence), cut()]);
    const found = await read([...connections, [result(4)]]);
    expect(found.waited).toEqual([rejoinDelaysMs[0], rejoinDelaysMs[0], rejoinDelaysMs[0]]);
  });

  it("goes on where it was when it was too slow, without a word", async () => {
    const found = await read([[text(1), refused("READER_BEHIND")], [result(2)]]);
    expect(found).toMatchObject({ got: [1, 2], failure: undefined, openedAfter: [0, 1] });
    expect(found.said).toEqual(["connected again"]);
  });

  it("is over with the result, whatever happens to the connection afterwards", async () => {
    expect(await read([[result(1), cut()]])).toMatchObject({ got: [1], failure: undefined, openedAfter: [0] });
  });

  it("says after the result what the server says", async () => {
    const found = await read([[result(1), toConnectError(new RunnerError("TURN_INTERRUPTED", "stopped"))]]);
    expect(String(found.failure)).toContain("stopped");
  });
});
