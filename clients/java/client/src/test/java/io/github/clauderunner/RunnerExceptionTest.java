package io.github.clauderunner;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.github.clauderunner.v1.ErrorReason;
import io.github.clauderunner.v1.Outcome;
import io.github.clauderunner.v1.TurnResult;
import io.grpc.Metadata;
import io.grpc.Status;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RunnerExceptionTest {
  private static RunnerException refused(Status.Code code, Metadata trailers) {
    return RunnerException.from(
        code.toStatus().withDescription("in words").asRuntimeException(trailers));
  }

  @Test
  void reads_everything_that_the_server_attaches() {
    var violation =
        BadRequest.FieldViolation.newBuilder()
            .setField("prompt")
            .setDescription("must not be empty")
            .build();
    var result = TurnResult.newBuilder().setOutcome(Outcome.OUTCOME_UPSTREAM_ERROR).build();
    var failure =
        refused(
            Status.Code.INVALID_ARGUMENT,
            Refusals.details(
                Refusals.reason("INVALID_REQUEST").putMetadata("violationCount", "1").build(),
                RetryInfo.newBuilder()
                    .setRetryDelay(
                        com.google.protobuf.Duration.newBuilder()
                            .setSeconds(1)
                            .setNanos(500_000_000))
                    .build(),
                BadRequest.newBuilder().addFieldViolations(violation).build(),
                result));
    assertEquals(Status.Code.INVALID_ARGUMENT, failure.code());
    assertEquals(ErrorReason.ERROR_REASON_INVALID_REQUEST, failure.reason());
    assertEquals("INVALID_REQUEST", failure.reasonText());
    assertEquals("in words", failure.message());
    assertEquals("INVALID_ARGUMENT: in words (INVALID_REQUEST)", failure.getMessage());
    assertEquals(Map.of("violationCount", "1"), failure.facts());
    assertEquals(Optional.of(Duration.ofMillis(1500)), failure.retryDelay());
    assertEquals(List.of(violation), failure.violations());
    assertEquals(Optional.of(result), failure.result());
  }

  @Test
  void has_empty_answers_where_the_server_attaches_nothing() {
    var failure = RunnerException.from(Status.UNAVAILABLE.asRuntimeException());
    assertEquals(ErrorReason.ERROR_REASON_UNSPECIFIED, failure.reason());
    assertEquals("", failure.reasonText());
    assertEquals("", failure.message());
    assertEquals(Map.of(), failure.facts());
    assertEquals(Optional.empty(), failure.retryDelay());
    assertEquals(List.of(), failure.violations());
    assertEquals(Optional.empty(), failure.result());
  }

  @Test
  void keeps_a_reason_that_it_does_not_know_as_text() {
    var failure =
        refused(Status.Code.ABORTED, Refusals.details(Refusals.reason("FROM_THE_FUTURE").build()));
    assertEquals(ErrorReason.UNRECOGNIZED, failure.reason());
    assertEquals("FROM_THE_FUTURE", failure.reasonText());
  }

  @Test
  void does_not_take_the_reasons_of_others_for_the_servers() {
    var failure =
        refused(
            Status.Code.UNAVAILABLE,
            Refusals.details(
                ErrorInfo.newBuilder().setDomain("proxy.example").setReason("QUEUE_FULL").build()));
    assertEquals("", failure.reasonText());
  }

  @Test
  void keeps_the_code_when_the_details_cannot_be_read() {
    var failure = refused(Status.Code.ABORTED, Refusals.details(new byte[] {(byte) 0xff}));
    assertEquals(Status.Code.ABORTED, failure.code());
    assertEquals("", failure.reasonText());
  }

  @ParameterizedTest(name = "{0} with push-back {1}: {2}")
  @CsvSource({
    "UNAVAILABLE, 300, true",
    "UNAVAILABLE, 0, true",
    "UNAVAILABLE, -1, false",
    "UNAVAILABLE, soon, false",
    "RESOURCE_EXHAUSTED, 300, false",
    "ABORTED, 300, false",
  })
  void says_whether_the_request_may_be_sent_again(
      Status.Code code, String pushback, boolean mayRetry) {
    assertEquals(mayRetry, refused(code, Refusals.pushback(pushback)).mayRetry());
  }

  @Test
  void says_that_a_request_may_be_sent_again_when_no_server_answered() {
    assertTrue(RunnerException.from(Status.UNAVAILABLE.asRuntimeException()).mayRetry());
  }

  @Test
  void names_the_cause_when_the_failure_is_on_the_way_to_the_server() {
    var cause = new java.net.ConnectException("Connection refused: /127.0.0.1:1");
    var failure =
        RunnerException.from(
            Status.UNAVAILABLE
                .withDescription("io exception")
                .withCause(cause)
                .asRuntimeException());
    assertEquals(
        "UNAVAILABLE: io exception (Connection refused: /127.0.0.1:1)", failure.getMessage());
    assertSame(cause, failure.getCause());
  }
}
