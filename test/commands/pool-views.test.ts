/** `claude-runner pool` against a PoolService that does what a test says, without a network. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import {
  type GetPoolRequest,
  PoolService,
  type PoolStateSchema,
  type WatchPoolRequest,
} from "../../gen/claude/runner/v1/pool_pb.ts";
import { exitCodes } from "../../src/commands/exit-codes.ts";
import {
  live,
  once,
  onceAsJson,
  type PoolViewOptions,
  watchAsJson,
  watchAsText,
} from "../../src/commands/pool-views.ts";
import { RunnerError } from "../../src/runner-error.ts";
import { toConnectError } from "../../src/service/errors.ts";
import { FakeClock } from "../fake-clock.ts";
import { busyPool } from "./pool-states.ts";
import { testTerminal } from "./test-terminal.ts";

type State = MessageInitShape<typeof PoolStateSchema>;

const enter = "\x1b[?1049h\x1b[?25l";
const leave = "\x1b[?25h\x1b[?1049l";

/** One watch: what it tells, and how it ends. `wait`: not until the caller goes. */
type Watch = readonly (State | ConnectError | "wait")[];

function setUp({ watches = [], isTty = false }: { watches?: readonly Watch[]; isTty?: boolean } = {}) {
  const asked: (GetPoolRequest | WatchPoolRequest)[] = [];
  const open = [...watches];
  const transport = createRouterTransport(({ service }) => {
    service(PoolService, {
      getPool(request) {
        asked.push(request);
        return { pool: busyPool() };
      },
      async *watchPool(request, { signal }) {
        asked.push(request);
        for (const next of open.shift() ?? [new ConnectError("connect ECONNREFUSED", Code.Unavailable)]) {
          if (next instanceof ConnectError) throw next;
          if (next === "wait")
            await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
          else yield { pool: next };
        }
      },
    });
  });
  const terminal = testTerminal({ isTty });
  const size = { columns: 80, rows: 24 };
  Object.assign(terminal.stdout, size);
  const clock = new FakeClock();
  const abort = new AbortController();
  const options: PoolViewOptions = {
    terminal,
    connection: { transport, url: "127.0.0.1:7433", isTls: false, hasToken: true, notice: undefined },
    signal: abort.signal,
    recentTurnCount: undefined,
    minIntervalMs: undefined,
    clock,
    retryAfterMs: 1,
  };
  /** Waits until something was written to stdout since it was asked last, and gives that, to the end of its frame. */
  let seenLength = 0;
  const shown = async (text: string, meanwhile: () => Promise<void> = async () => undefined) => {
    const foundAt = () => terminal.written.stdout.indexOf(text, seenLength);
    while (foundAt() < 0) {
      await meanwhile();
      await new Promise((resolve) => setImmediate(resolve));
    }
    const frameEnd = terminal.written.stdout.indexOf("\x1b[J", foundAt());
    // What came after it meanwhile is for the next question.
    const end = frameEnd < 0 ? foundAt() + text.length : frameEnd + 3;
    const part = terminal.written.stdout.slice(seenLength, end);
    seenLength = end;
    return part;
  };
  const resize = (columns: number, rows: number) => {
    Object.assign(terminal.stdout, { columns, rows });
    terminal.stdout.emit("resize");
  };
  return { terminal, clock, abort, options, asked, shown, resize };
}

const draining = toConnectError(new RunnerError("POOL_DRAINING", "the server is shutting down"));
const denied = toConnectError(new RunnerError("UNAUTHENTICATED", "this server does not know the bearer token"));

/** The last frame, line by line. */
const frameOf = (written: string) =>
  written
    .slice(written.lastIndexOf("\x1b[H") + 3, written.lastIndexOf("\x1b[J"))
    .split("\r\n")
    .map((line) => line.replace("\x1b[K", ""));

describe("once", () => {
  it("prints the whole picture, and asks for what it was told to", async () => {
    const { options, terminal, asked } = setUp();
    expect(await once({ ...options, recentTurnCount: 7 })).toBe(exitCodes.ok);
    expect(terminal.written.stdout).toMatch(/^claude-runner {2}127\.0\.0\.1:7433 {2}serving/);
    expect(terminal.written.stdout.split("\n").length).toBeGreaterThan(20);
    expect(terminal.written).toMatchObject({ stderr: "" });
    expect(asked).toMatchObject([{ recentTurnCount: 7 }]);
  });

  it("prints the answer as JSON that programs can read", async () => {
    const { options, terminal } = setUp();
    expect(await onceAsJson(options)).toBe(exitCodes.ok);
    expect(terminal.written.stdout.trim().split("\n")).toHaveLength(1);
    expect(JSON.parse(terminal.written.stdout)).toMatchObject({
      pool: { serving: true, profiles: [{ profile: "default", waitingCount: 3 }, { profile: "tools" }] },
    });
  });
});

describe("watching where nobody looks", () => {
  it("prints each state, and ends with the server", async () => {
    const { options, terminal, asked } = setUp({ watches: [[busyPool(), busyPool({ serving: false }), draining]] });
    expect(await watchAsText({ ...options, minIntervalMs: 500 })).toBe(exitCodes.unavailable);
    expect(terminal.written.stdout.match(/^claude-runner .*$/gm)).toEqual([
      expect.stringContaining("  serving"),
      expect.stringContaining("not serving"),
    ]);
    expect(terminal.written.stderr).toBe(
      "error: the server is shutting down (POOL_DRAINING)\ntry again in 2 seconds\n",
    );
    expect(terminal.written.stdout).not.toContain("\x1b");
    expect(asked).toMatchObject([{ minInterval: { seconds: 0n, nanos: 500_000_000 } }]);
  });

  it("prints a line of JSON for each state", async () => {
    const { options, terminal } = setUp({ watches: [[busyPool(), busyPool({ draining: true }), draining]] });
    expect(await watchAsJson(options)).toBe(exitCodes.unavailable);
    const lines = terminal.written.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { pool: { draining?: true } });
    expect(lines.map(({ pool }) => pool.draining ?? false)).toEqual([false, true]);
  });

  it("ends well when the person leaves", async () => {
    const { options, abort, shown, terminal } = setUp({ watches: [[busyPool(), "wait"]] });
    const ending = watchAsText(options);
    await shown("where time went");
    abort.abort();
    expect(await ending).toBe(exitCodes.ok);
    expect(terminal.written.stderr).toBe("");
  });
});

describe("the live view", () => {
  it("draws on a screen of its own, over the frame before, and leaves the terminal as it was", async () => {
    const { options, abort, shown, terminal, clock } = setUp({ isTty: true, watches: [[busyPool(), "wait"]] });
    const ending = live(options);
    const first = await shown("where time went");
    expect(first.startsWith(enter)).toBe(true);
    expect(frameOf(first).length).toBeLessThanOrEqual(24);
    expect(frameOf(first)[0]).toContain("127.0.0.1:7433  serving");
    expect(first).not.toContain("\x1b[2J"); // what is wiped first flickers
    abort.abort();
    expect(await ending).toBe(exitCodes.ok);
    expect(terminal.written.stdout.endsWith(leave)).toBe(true);
    expect(terminal.written.stdout.split(enter)).toHaveLength(2);
    expect(terminal.written.stdout.split(leave)).toHaveLength(2);
    expect(terminal.written.stderr).toBe("");
    expect([clock.pendingTimerCount, terminal.stdout.listenerCount("resize")]).toEqual([0, 0]);
  });

  it("lets what runs get older every second, and fits a terminal that changes its size", async () => {
    const { options, abort, shown, clock, resize } = setUp({ isTty: true, watches: [[busyPool(), "wait"]] });
    const ending = live(options);
    expect(await shown("where time went")).toContain("2000 ms");
    await clock.advance(1_000);
    expect(await shown("where time went")).toContain("3000 ms");
    resize(50, 12);
    const small = frameOf(await shown("\x1b[?2026l"));
    expect(small.length).toBeLessThanOrEqual(12);
    expect(small.join("\n")).toContain("01234567");
    for (const line of small) expect(line.length).toBeLessThan(50);
    abort.abort();
    await ending;
  });

  it("keeps the last picture while the server is away, says so, and goes on when it is back", async () => {
    const { options, abort, shown, clock } = setUp({
      isTty: true,
      watches: [
        [busyPool(), draining],
        [new ConnectError("connect ECONNREFUSED", Code.Unavailable)],
        [busyPool(), "wait"],
      ],
    });
    const ending = live(options);
    const away = await shown("the server is shutting down; trying again");
    expect(frameOf(away)[0]).toContain("not answering");
    await shown("no server answers at 127.0.0.1:7433; trying again");
    const back = await shown("127.0.0.1:7433  serving", () => clock.advance(1_000));
    expect(frameOf(back).join("\n")).not.toContain("trying again");
    abort.abort();
    expect(await ending).toBe(exitCodes.ok);
  });

  it("opens no screen when there is no server, and leaves it before it says what went wrong later", async () => {
    const none = setUp({ isTty: true });
    expect(await live(none.options)).toBe(exitCodes.unavailable);
    expect(none.terminal.written.stdout).toBe("");
    expect(none.terminal.written.stderr).toContain("no server answers at 127.0.0.1:7433");

    const later = setUp({ isTty: true, watches: [[busyPool(), denied]] });
    expect(await live(later.options)).toBe(exitCodes.denied);
    expect(later.terminal.written.stdout.endsWith(leave)).toBe(true);
    expect(later.terminal.written.stderr).toContain("this server does not know the bearer token");
    expect(later.clock.pendingTimerCount).toBe(0);
  });
});
