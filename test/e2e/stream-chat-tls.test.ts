import { transportKinds } from "../contract/transports.ts";
import { describeStreamChat } from "./stream-chat-suite.ts";

/** One of each: what differs from a plain connection is below the protocols. */
describeStreamChat(
  "TLS",
  transportKinds.filter(
    ({ tls, library, port, protocol, httpVersion, name }) =>
      tls &&
      ((library === "grpc-js" && port === "grpc") ||
        (protocol === "grpc-web" && httpVersion === "2") ||
        (name.includes("JSON") && httpVersion === "1.1")),
  ),
);
