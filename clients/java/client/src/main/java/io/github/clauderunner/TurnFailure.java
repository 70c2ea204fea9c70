package io.github.clauderunner;

import com.google.protobuf.Any;
import com.google.rpc.ErrorInfo;
import io.github.clauderunner.v1.ErrorReason;
import io.github.clauderunner.v1.TurnError;
import io.github.clauderunner.v1.TurnResult;
import io.grpc.Metadata;
import io.grpc.Status;
import java.util.Optional;

/**
 * What the call of a turn fails with, told from the turn's result: for a turn that was read again
 * by a call that goes well whatever came of it.
 */
final class TurnFailure {
  private TurnFailure() {}

  /**
   * The failure that the turn's own call has ended with.
   *
   * @param lastSequence the last event that was read
   * @param hasContent whether text or a tool use was streamed, or may be in a gap
   * @return the failure; empty when that call has ended well
   */
  static Optional<RunnerException> of(
      TurnResult result, String turnId, int lastSequence, boolean hasContent) {
    TurnError error = result.getError();
    return reason(result)
        .map(
            reason -> {
              Status.Code code = code(reason, hasContent);
              String words = error.getMessage().isEmpty() ? "the turn failed" : error.getMessage();
              return new RunnerException(
                  code.toStatus().withDescription(words),
                  trailers(code, words, result, info(error, reason, turnId, lastSequence)),
                  true);
            });
  }

  /** Why the turn failed: as its result says, or else the usual reason of how it ended. */
  private static Optional<ErrorReason> reason(TurnResult result) {
    return switch (result.getError().getReason()) {
      case ERROR_REASON_UNSPECIFIED -> usualReason(result);
      // A newer server's, which must not be taken for a failure on the way.
      case UNRECOGNIZED -> Optional.of(ErrorReason.ERROR_REASON_INTERNAL);
      default -> Optional.of(result.getError().getReason());
    };
  }

  /** The code once Claude Code has the prompt, as error.proto has it. */
  private static Status.Code code(ErrorReason reason, boolean hasContent) {
    if (hasContent && RunnerException.textOf(reason).startsWith("UPSTREAM_")) {
      return Status.Code.ABORTED;
    }
    return switch (reason) {
      case ERROR_REASON_CANCELLED -> Status.Code.CANCELLED;
      case ERROR_REASON_DEADLINE_EXCEEDED -> Status.Code.DEADLINE_EXCEEDED;
      case ERROR_REASON_WORKER_DIED,
          ERROR_REASON_DRAINED,
          ERROR_REASON_CLIENT_STALLED,
          ERROR_REASON_TURN_LOST,
          ERROR_REASON_TURN_INTERRUPTED,
          ERROR_REASON_UPSTREAM_CONFLICT ->
          Status.Code.ABORTED;
      case ERROR_REASON_UPSTREAM_INVALID_REQUEST,
          ERROR_REASON_UPSTREAM_CONTEXT_TOO_LONG,
          ERROR_REASON_UPSTREAM_REQUEST_TOO_LARGE ->
          Status.Code.INVALID_ARGUMENT;
      case ERROR_REASON_CONTEXT_FULL,
          ERROR_REASON_SESSION_SUSPENDED,
          ERROR_REASON_UPSTREAM_BILLING,
          ERROR_REASON_UPSTREAM_AUTH ->
          Status.Code.FAILED_PRECONDITION;
      case ERROR_REASON_UPSTREAM_MODEL_NOT_FOUND -> Status.Code.NOT_FOUND;
      case ERROR_REASON_UPSTREAM_RATE_LIMITED, ERROR_REASON_UPSTREAM_USAGE_LIMIT ->
          Status.Code.RESOURCE_EXHAUSTED;
      case ERROR_REASON_STORE_UNAVAILABLE,
          ERROR_REASON_UPSTREAM_OVERLOADED,
          ERROR_REASON_UPSTREAM_5XX,
          ERROR_REASON_UPSTREAM_UNREACHABLE,
          ERROR_REASON_UPSTREAM_TIMEOUT ->
          Status.Code.UNAVAILABLE;
      // INTERNAL, and the rest of UPSTREAM_.
      default -> Status.Code.INTERNAL;
    };
  }

  private static Optional<ErrorReason> usualReason(TurnResult result) {
    return Optional.ofNullable(
        switch (result.getOutcome()) {
          case OUTCOME_CANCELLED -> ErrorReason.ERROR_REASON_CANCELLED;
          case OUTCOME_DEADLINE_EXCEEDED -> ErrorReason.ERROR_REASON_DEADLINE_EXCEEDED;
          case OUTCOME_UPSTREAM_ERROR -> ErrorReason.ERROR_REASON_UPSTREAM_UNKNOWN;
          case OUTCOME_WORKER_DIED -> ErrorReason.ERROR_REASON_WORKER_DIED;
          case OUTCOME_DRAINED -> ErrorReason.ERROR_REASON_DRAINED;
          case OUTCOME_CLIENT_STALLED -> ErrorReason.ERROR_REASON_CLIENT_STALLED;
          case OUTCOME_INTERNAL_ERROR -> ErrorReason.ERROR_REASON_INTERNAL;
          case OUTCOME_LOST -> ErrorReason.ERROR_REASON_TURN_LOST;
          case OUTCOME_INTERRUPTED -> ErrorReason.ERROR_REASON_TURN_INTERRUPTED;
          default -> null; // It ended well.
        });
  }

  private static ErrorInfo info(
      TurnError error, ErrorReason reason, String turnId, int lastSequence) {
    var info =
        ErrorInfo.newBuilder()
            .setDomain(RunnerException.DOMAIN)
            .setReason(RunnerException.textOf(reason))
            .putMetadata("turnId", turnId)
            .putMetadata("lastSequence", Integer.toString(lastSequence));
    if (error.hasHttpStatus()) {
      info.putMetadata("httpStatus", Integer.toString(error.getHttpStatus()));
    }
    return info.build();
  }

  private static Metadata trailers(
      Status.Code code, String words, TurnResult result, ErrorInfo info) {
    TurnResult withoutTexts =
        result.toBuilder()
            .clearText()
            .setTextTruncated(result.getTextSizeBytes() > 0)
            .clearStructuredOutput()
            .clearStructuredOutputJson()
            .clearPermissionDenials()
            .clearRefusalExplanation()
            .build();
    var status =
        com.google.rpc.Status.newBuilder()
            .setCode(code.value())
            .setMessage(words)
            .addDetails(Any.pack(info))
            .addDetails(Any.pack(withoutTexts))
            .build();
    var trailers = new Metadata();
    trailers.put(RunnerException.DETAILS, status.toByteArray());
    // As the server says of every turn that Claude Code has got.
    trailers.put(RunnerException.PUSHBACK, "-1");
    return trailers;
  }
}
