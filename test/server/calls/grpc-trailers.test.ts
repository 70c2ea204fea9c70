import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../../gen/google/rpc/status_pb.ts";
import { RunnerError } from "../../../src/runner-error.ts";
import { grpcMessage, grpcTrailers } from "../../../src/server/calls/grpc-trailers.ts";
import { toConnectError } from "../../../src/service/errors.ts";

describe("the message of a status", () => {
  it("is escaped as gRPC asks, and no further", () => {
    expect(grpcMessage("queue is full: 3, 50 %")).toBe("queue is full: 3, 50 %25");
    expect(grpcMessage("grün\n")).toBe("gr%C3%BCn%0A");
    expect(grpcMessage("half a pair \ud800")).toBe("half a pair %EF%BF%BD");
    expect(decodeURIComponent(grpcMessage("100 % 日本"))).toBe("100 % 日本");
  });
});

describe("a status as trailers", () => {
  it("has the details of the error, in base64 without padding", () => {
    const trailers = grpcTrailers(toConnectError(new RunnerError("UNAUTHENTICATED", "no token")));
    expect(trailers).toMatchObject({ "grpc-status": "16", "grpc-message": "no token" });
    const details = trailers["grpc-status-details-bin"] ?? "";
    expect(details).not.toContain("=");
    const [any] = fromBinary(StatusSchema, Buffer.from(details, "base64")).details;
    expect(any && anyUnpack(any, ErrorInfoSchema)?.reason).toBe("UNAUTHENTICATED");
  });

  it("has no details where the error has none, and the error's own metadata", () => {
    const error = new ConnectError("no such method", Code.Unimplemented, { "grpc-accept-encoding": "gzip" });
    expect(grpcTrailers(error)).toEqual({
      "grpc-status": "12",
      "grpc-message": "no such method",
      "grpc-accept-encoding": "gzip",
    });
  });
});
