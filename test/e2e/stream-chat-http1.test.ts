import { transportKinds } from "../contract/transports.ts";
import { describeStreamChat } from "./stream-chat-suite.ts";

/** Of the streams as text one: below their lines they are Connect JSON, which is here as well. */
describeStreamChat(
  "plain connections of HTTP/1.1",
  transportKinds.filter(
    ({ tls, httpVersion, library, name }) =>
      !tls && httpVersion === "1.1" && (library !== "none" || name.startsWith("Server-sent")),
  ),
);
