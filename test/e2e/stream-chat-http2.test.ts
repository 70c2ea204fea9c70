import { transportKinds } from "../contract/transports.ts";
import { describeStreamChat } from "./stream-chat-suite.ts";

/** Without gRPC, which has a file, and the streams as text, one of which is tried over HTTP/1.1. */
describeStreamChat(
  "plain connections of HTTP/2, by what a browser speaks",
  transportKinds.filter(
    ({ tls, httpVersion, library, protocol }) =>
      !tls && httpVersion === "2" && library !== "none" && protocol !== "grpc",
  ),
);
