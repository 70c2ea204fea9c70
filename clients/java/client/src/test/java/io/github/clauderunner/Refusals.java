package io.github.clauderunner;

import com.google.protobuf.Any;
import com.google.protobuf.Message;
import com.google.rpc.ErrorInfo;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;

/** Failing statuses as a server sends them. */
final class Refusals {
  private static final Metadata.Key<byte[]> DETAILS =
      Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER);
  private static final Metadata.Key<String> PUSHBACK =
      Metadata.Key.of("grpc-retry-pushback-ms", Metadata.ASCII_STRING_MARSHALLER);

  private Refusals() {}

  static Metadata details(Message... details) {
    var status = com.google.rpc.Status.newBuilder();
    for (Message detail : details) {
      status.addDetails(Any.pack(detail));
    }
    return details(status.build().toByteArray());
  }

  static Metadata details(byte[] bytes) {
    var trailers = new Metadata();
    trailers.put(DETAILS, bytes);
    return trailers;
  }

  static Metadata pushback(String value) {
    var trailers = new Metadata();
    trailers.put(PUSHBACK, value);
    return trailers;
  }

  static ErrorInfo.Builder reason(String reason) {
    return ErrorInfo.newBuilder().setDomain("claude-runner").setReason(reason);
  }

  /** UNAVAILABLE, to be repeated after so many milliseconds. */
  static StatusRuntimeException unavailable(String pushbackMs) {
    return Status.UNAVAILABLE.withDescription("full").asRuntimeException(pushback(pushbackMs));
  }
}
