import { EventEmitter } from "node:events";
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import { describe, expect, it } from "vitest";
import {
  endStalled,
  endUnread,
  guardSession,
  resetBurst,
  resetsPerSecond,
} from "../../../src/server/connections/h2-session.ts";
import { FakeClock } from "../../fake-clock.ts";

class FakeSession extends EventEmitter {
  destroyed = false;
  goneAwayCode: number | undefined;
  readonly unanswered: ((error: Error | null) => void)[] = [];
  ping(answer: (error: Error | null) => void): boolean {
    this.unanswered.push(answer);
    return true;
  }
  goaway(code: number): void {
    this.goneAwayCode = code;
  }
  destroy(): void {
    this.destroyed = true;
    this.emit("close");
  }
}

function setUp() {
  const clock = new FakeClock();
  const session = new FakeSession();
  guardSession(session as unknown as ServerHttp2Session, {
    keepaliveTimeMs: 30_000,
    keepaliveTimeoutMs: 20_000,
    clock,
  });
  return { clock, session };
}

describe("an HTTP/2 connection", () => {
  it("is pinged as long as its peer answers", async () => {
    const { clock, session } = setUp();
    for (let round = 0; round < 5; round += 1) {
      await clock.advance(30_000);
      expect(session.unanswered).toHaveLength(1);
      session.unanswered.shift()?.(null);
    }
    await clock.advance(29_999);
    expect(session.destroyed).toBe(false);
  });

  it("ends when its peer no longer answers", async () => {
    const { clock, session } = setUp();
    await clock.advance(30_000 + 19_999);
    expect(session.destroyed).toBe(false);
    await clock.advance(1);
    expect(session.destroyed).toBe(true);
  });

  it("is left alone once it is closed", async () => {
    const { clock, session } = setUp();
    session.emit("close");
    await clock.advance(120_000);
    expect(session.unanswered).toHaveLength(0);
  });

  it("ends when its peer pings without end and calls nothing", async () => {
    const { clock, session } = setUp();
    for (let at = 0; at < 100; at += 1) session.emit("ping");
    expect(session.destroyed).toBe(false);
    session.emit("ping");
    expect(session.goneAwayCode).toBe(11); // ENHANCE_YOUR_CALM
    await clock.advance(200);
    expect(session.destroyed).toBe(true);
  });

  it("may be pinged often while calls are open, and now and then for ever", async () => {
    const { clock, session } = setUp();
    const stream = new EventEmitter();
    session.emit("stream", stream);
    for (let at = 0; at < 10_000; at += 1) session.emit("ping");
    stream.emit("close");
    await clock.advance(10_001);
    for (let at = 0; at < 50; at += 1) session.emit("ping");
    expect(session.destroyed).toBe(false);
  });

  it("may reset as many streams as a busy proxy does, and ends when it resets them without end", async () => {
    const { clock, session } = setUp();
    const reset = (rstCode = 8) => {
      const stream = Object.assign(new EventEmitter(), { rstCode });
      session.emit("stream", stream);
      stream.emit("close");
    };
    for (let at = 0; at < resetBurst; at += 1) reset();
    for (let second = 0; second < 60; second += 1) {
      await clock.advance(1_000);
      session.unanswered.shift()?.(null);
      for (let at = 0; at < resetsPerSecond; at += 1) reset();
    }
    for (let at = 0; at < 10_000; at += 1) reset(0); // ended well
    expect(session.destroyed).toBe(false);
    reset();
    expect(session.goneAwayCode).toBe(11); // ENHANCE_YOUR_CALM
    await clock.advance(200);
    expect(session.destroyed).toBe(true);
  });
});

describe("an HTTP/2 stream", () => {
  class FakeStream extends EventEmitter {
    destroyed = false;
    readonly codes: number[] = [];
    close(code: number): void {
      this.codes.push(code);
    }
  }
  const setUpStream = (end: typeof endUnread) => {
    const clock = new FakeClock();
    const stream = new FakeStream();
    end(stream as unknown as ServerHttp2Stream, clock);
    return { clock, stream };
  };

  it("whose request goes on after its answer ends without an error, three seconds later", async () => {
    const { clock, stream } = setUpStream(endUnread);
    await clock.advance(2_999);
    expect(stream.codes).toEqual([]);
    await clock.advance(1);
    expect(stream.codes).toEqual([0]); // NO_ERROR
  });

  it("whose client does not read the end of its call is cancelled two seconds later", async () => {
    const { clock, stream } = setUpStream(endStalled);
    await clock.advance(1_999);
    expect(stream.codes).toEqual([]);
    await clock.advance(1);
    expect(stream.codes).toEqual([8]); // CANCEL
  });

  it("that closes meanwhile is left alone, and so is one that is gone", async () => {
    const { clock, stream } = setUpStream(endUnread);
    stream.emit("close");
    stream.destroyed = true;
    endStalled(stream as unknown as ServerHttp2Stream, clock);
    expect(clock.pendingTimerCount).toBe(0);
  });
});
