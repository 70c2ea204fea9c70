package io.github.clauderunner;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.clauderunner.v1.ErrorReason;
import io.github.clauderunner.v1.Outcome;
import io.github.clauderunner.v1.TurnError;
import io.github.clauderunner.v1.TurnResult;
import io.grpc.Status;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class TurnFailureTest {
  private static Optional<RunnerException> failure(
      Outcome outcome, ErrorReason reason, boolean hasContent) {
    var result =
        TurnResult.newBuilder()
            .setOutcome(outcome)
            .setText("said so far")
            .setTextSizeBytes(11)
            .setCostUsdMicros(7)
            .setError(
                TurnError.newBuilder()
                    .setReason(reason)
                    .setMessage("what happened")
                    .setHttpStatus(503))
            .build();
    return TurnFailure.of(result, "t1", 9, hasContent);
  }

  @Test
  void the_error_reads_as_the_one_that_the_turns_own_call_ends_with() {
    var error =
        failure(Outcome.OUTCOME_WORKER_DIED, ErrorReason.ERROR_REASON_WORKER_DIED, true)
            .orElseThrow();
    assertEquals(Status.Code.ABORTED, error.code());
    assertEquals(ErrorReason.ERROR_REASON_WORKER_DIED, error.reason());
    assertEquals("what happened", error.message());
    assertEquals(Map.of("turnId", "t1", "lastSequence", "9", "httpStatus", "503"), error.facts());
    assertFalse(error.mayRetry());
    var result = error.result().orElseThrow();
    assertEquals(7, result.getCostUsdMicros());
    assertEquals("", result.getText());
    assertTrue(result.getTextTruncated());
  }

  @Test
  void a_failure_of_the_model_api_has_its_own_code_until_there_was_content() {
    var codes =
        Map.of(
            ErrorReason.ERROR_REASON_UPSTREAM_RATE_LIMITED, Status.Code.RESOURCE_EXHAUSTED,
            ErrorReason.ERROR_REASON_UPSTREAM_OVERLOADED, Status.Code.UNAVAILABLE,
            ErrorReason.ERROR_REASON_UPSTREAM_AUTH, Status.Code.FAILED_PRECONDITION,
            ErrorReason.ERROR_REASON_UPSTREAM_INVALID_REQUEST, Status.Code.INVALID_ARGUMENT,
            ErrorReason.ERROR_REASON_UPSTREAM_MODEL_NOT_FOUND, Status.Code.NOT_FOUND,
            ErrorReason.ERROR_REASON_UPSTREAM_CONFLICT, Status.Code.ABORTED,
            ErrorReason.ERROR_REASON_UPSTREAM_UNKNOWN, Status.Code.INTERNAL);
    codes.forEach(
        (reason, code) -> {
          var before = failure(Outcome.OUTCOME_UPSTREAM_ERROR, reason, false).orElseThrow();
          assertEquals(code, before.code(), reason::name);
          assertFalse(before.mayRetry(), reason::name);
          var after = failure(Outcome.OUTCOME_UPSTREAM_ERROR, reason, true).orElseThrow();
          assertEquals(Status.Code.ABORTED, after.code(), reason::name);
          assertEquals(reason, after.reason());
        });
  }

  @Test
  void an_outcome_that_ends_a_call_well_is_no_error() {
    for (Outcome outcome :
        List.of(
            Outcome.OUTCOME_COMPLETED,
            Outcome.OUTCOME_REFUSED,
            Outcome.OUTCOME_COST_LIMIT,
            Outcome.OUTCOME_INCOMPLETE)) {
      var none = failure(outcome, ErrorReason.ERROR_REASON_UNSPECIFIED, true);
      assertEquals(Optional.empty(), none, outcome::name);
    }
  }

  @Test
  void an_outcome_without_a_reason_has_the_one_that_belongs_to_it() {
    var reasons =
        Map.of(
            Outcome.OUTCOME_CANCELLED, ErrorReason.ERROR_REASON_CANCELLED,
            Outcome.OUTCOME_LOST, ErrorReason.ERROR_REASON_TURN_LOST,
            Outcome.OUTCOME_INTERRUPTED, ErrorReason.ERROR_REASON_TURN_INTERRUPTED);
    reasons.forEach(
        (outcome, reason) ->
            assertEquals(
                reason,
                failure(outcome, ErrorReason.ERROR_REASON_UNSPECIFIED, true)
                    .orElseThrow()
                    .reason()));
  }

  @Test
  void the_reason_has_the_code_whatever_the_outcome() {
    var codes =
        Map.of(
            ErrorReason.ERROR_REASON_CONTEXT_FULL, Status.Code.FAILED_PRECONDITION,
            ErrorReason.ERROR_REASON_SESSION_SUSPENDED, Status.Code.FAILED_PRECONDITION,
            ErrorReason.ERROR_REASON_STORE_UNAVAILABLE, Status.Code.UNAVAILABLE,
            ErrorReason.ERROR_REASON_TURN_INTERRUPTED, Status.Code.ABORTED,
            ErrorReason.ERROR_REASON_CANCELLED, Status.Code.CANCELLED,
            ErrorReason.ERROR_REASON_DEADLINE_EXCEEDED, Status.Code.DEADLINE_EXCEEDED);
    codes.forEach(
        (reason, code) -> {
          for (Outcome outcome :
              List.of(Outcome.OUTCOME_UPSTREAM_ERROR, Outcome.OUTCOME_INTERNAL_ERROR)) {
            var error = failure(outcome, reason, true).orElseThrow();
            assertEquals(code, error.code(), reason::name);
            assertEquals(reason, error.reason());
          }
        });
  }

  @Test
  void a_reason_of_a_newer_server_is_a_failure_of_the_turn_all_the_same() {
    var result =
        TurnResult.newBuilder()
            .setOutcome(Outcome.OUTCOME_UPSTREAM_ERROR)
            .setError(TurnError.newBuilder().setReasonValue(9_999))
            .build();
    var error = TurnFailure.of(result, "t1", 9, false).orElseThrow();
    assertEquals(Status.Code.INTERNAL, error.code());
    assertEquals(ErrorReason.ERROR_REASON_INTERNAL, error.reason());
  }
}
