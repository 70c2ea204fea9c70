import { describe, expect, it } from "vitest";
import { FrameCounter } from "../../bench/frame-counter.ts";

function frame(body: string, flags = 0): Buffer {
  const bytes = Buffer.from(body);
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

describe("the frame counter", () => {
  const stream = Buffer.concat([frame("one"), frame(""), frame("a longer message"), frame('{"metadata":{}}', 2)]);

  it("counts the same however the stream is cut into chunks", () => {
    for (let size = 1; size <= stream.length; size++) {
      const counter = new FrameCounter();
      let count = 0;
      for (let at = 0; at < stream.length; at += size) count += counter.count(stream.subarray(at, at + size));
      expect(count).toBe(3);
      expect(counter.connectError()).toBeUndefined();
    }
  });

  it("tells the error with which a Connect stream ends", () => {
    const counter = new FrameCounter();
    expect(counter.count(frame('{"error":{"code":"unavailable"}}', 2))).toBe(0);
    expect(counter.connectError()).toBe('{"code":"unavailable"}');
  });

  it("takes a Connect stream without an end for a failed one", () => {
    const counter = new FrameCounter();
    counter.count(frame("one"));
    expect(counter.connectError()).toBe("no end of stream");
  });
});
