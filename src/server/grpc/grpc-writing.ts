/**
 * How a call's messages are written on the gRPC port: what comes together leaves together.
 *
 * grpc-js hands a message to the HTTP/2 stream when the one before it has left for the socket, so each is a frame, a
 * write to the socket and a wake-up of the client of its own: 62 for a turn of 60 deltas (seen with strace). Here the
 * next message follows as long as the stream takes it, and what one read of a worker brought is written at once. A
 * reader that is slow is noticed as before: a stream that is full says so, and then its message is waited for.
 */
import type { ServerHttp2Stream } from "node:http2";
import type { CallWriter } from "./grpc-internals.ts";

/** Stands before the call's own writing, which still does it. */
export function writeTogether(stream: ServerHttp2Stream): CallWriter {
  const uncork = () => stream.uncork();
  return (send, message, isSent) => {
    let isTold = false;
    const tell = () => {
      if (isTold) return;
      isTold = true;
      isSent();
    };
    // A tick runs when there is nothing more to do for what has come: then all of it is in the stream.
    if (stream.writableCorked === 0) {
      stream.cork();
      process.nextTick(uncork);
    }
    send(message, tell);
    if (!stream.writableNeedDrain && !stream.destroyed) tell();
  };
}
