import { EventEmitter } from "node:events";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { describe, expect, it } from "vitest";
import type { WebRequest, WebResponse } from "../../../src/server/calls/http-exchange.ts";
import { sendAnswer } from "../../../src/server/web/web-answer.ts";
import { FakeClock } from "../../fake-clock.ts";

/** A response whose client reads only when told to, if it is not one that always does. */
class SlowResponse extends EventEmitter {
  readonly #isRead: boolean;
  readonly written: string[] = [];
  destroyed = false;
  isEnded = false;

  constructor(isRead: boolean) {
    super();
    this.#isRead = isRead;
  }

  writeHead(): void {}
  write(chunk: Uint8Array): boolean {
    this.written.push(Buffer.from(chunk).toString());
    return this.#isRead;
  }
  end(): void {
    this.isEnded = true;
  }
  destroy(): void {
    this.destroyed = true;
  }
}

function setUp(options: { readonly isStillSending?: boolean; readonly isRead?: boolean } = {}) {
  const clock = new FakeClock();
  const response = new SlowResponse(options.isRead ?? false);
  const abort = new AbortController();
  let pulledCount = 0;
  const ended = Promise.withResolvers<void>();
  async function* body() {
    try {
      for (; pulledCount < 5; ) {
        pulledCount += 1;
        yield Buffer.from(String(pulledCount));
      }
    } finally {
      ended.resolve();
    }
  }
  const answer: UniversalServerResponse = { status: 200, header: new Headers(), body: body() };
  const request = Object.assign(new EventEmitter(), {
    headers: { "content-type": "application/connect+proto" },
    complete: !options.isStillSending,
    isRead: false,
    resume() {
      this.isRead = true;
    },
    socket: {
      isCut: false,
      destroy() {
        this.isCut = true;
      },
    },
  });
  const sending = sendAnswer(answer, {
    request: request as unknown as WebRequest,
    response: response as unknown as WebResponse,
    signal: abort.signal,
    clock,
  });
  return { clock, request, response, abort, sending, ended: ended.promise, pulled: () => pulledCount };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("an answer", () => {
  it("is pulled only as fast as the client reads, with one listener for all of it", async () => {
    const { response, sending, pulled } = setUp();
    for (let read = 1; read <= 5; read += 1) {
      await settled();
      expect(pulled()).toBe(read);
      expect(response.written).toHaveLength(read);
      expect(response.listenerCount("drain")).toBe(1);
      response.emit("drain");
    }
    await sending;
    expect(response.isEnded).toBe(true);
  });

  it("lets its first message leave before it makes all that waits behind it", async () => {
    const { response, sending, pulled } = setUp({ isRead: true });
    // Everything that can be done without the event loop.
    for (let turn = 0; turn < 100; turn += 1) await undefined;
    expect(response.written).toEqual(["1"]);
    expect(pulled()).toBe(2);
    await sending;
    expect(response.written).toEqual(["1", "2", "3", "4", "5"]);
  });

  it("ends its handler when the client goes while a write is blocked", async () => {
    const { response, sending, ended, pulled } = setUp();
    await settled();
    response.emit("close");
    await ended;
    await sending;
    expect(pulled()).toBe(1);
    expect(response.isEnded).toBe(false);
  });

  it("no longer waits for the client when the call is aborted, so that the handler can end", async () => {
    const { abort, sending, ended, response } = setUp();
    await settled();
    abort.abort();
    await settled();
    expect(response.written.length).toBeGreaterThan(1);
    for (let read = 0; read < 5; read += 1) {
      response.emit("drain");
      await settled();
    }
    await Promise.all([sending, ended]);
  });
});

describe("an answer over HTTP/1.1", () => {
  const readAll = async ({ response, sending }: ReturnType<typeof setUp>) => {
    for (let read = 1; read <= 5; read += 1) {
      await settled();
      response.emit("drain");
    }
    await sending;
  };

  it("lets its client end a request that it is still sending, and cuts it off after three seconds", async () => {
    const test = setUp({ isStillSending: true });
    await readAll(test);
    expect(test.request.isRead).toBe(true);
    await test.clock.advance(2_999);
    expect(test.request.socket.isCut).toBe(false);
    await test.clock.advance(1);
    expect(test.request.socket.isCut).toBe(true);
  });

  it("cuts nobody off whose request has ended meanwhile", async () => {
    const test = setUp({ isStillSending: true });
    await readAll(test);
    test.request.emit("close");
    expect(test.clock.pendingTimerCount).toBe(0);
  });

  it("cuts a client off that does not read the end of a call that was ended, after two seconds", async () => {
    const test = setUp();
    test.abort.abort();
    await readAll(test);
    await test.clock.advance(1_999);
    expect(test.response.destroyed).toBe(false);
    await test.clock.advance(1);
    expect(test.response.destroyed).toBe(true);
  });
});
