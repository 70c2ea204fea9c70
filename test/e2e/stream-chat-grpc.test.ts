import { transportKinds } from "../contract/transports.ts";
import { describeStreamChat } from "./stream-chat-suite.ts";

describeStreamChat(
  "gRPC on plain connections",
  transportKinds.filter(({ tls, protocol }) => !tls && protocol === "grpc"),
);
