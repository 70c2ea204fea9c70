// The error of a turn that was attached to is the one of its own call.

package clauderunner

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/claude-runner/claude-runner/clients/go/runnerv1"
)

func TestAResultWithoutAnErrorIsNoFailure(t *testing.T) {
	if failure := turnFailure("turn-1", &runnerv1.TurnResult{Text: "Hello"}, 7, true); failure != nil {
		t.Errorf("got %v", failure)
	}
}

func TestAFailureHasWhatTheStatusWouldHave(t *testing.T) {
	failure := turnFailure("turn-1", &runnerv1.TurnResult{
		Text:          "Half an an",
		TextSizeBytes: 10,
		CostUsdMicros: 42,
		Error: &runnerv1.TurnError{
			Reason:     runnerv1.ErrorReason_ERROR_REASON_UPSTREAM_5XX,
			Message:    "the model API failed",
			HttpStatus: proto.Int32(503),
		},
	}, 7, false)
	want := map[string]string{"turnId": "turn-1", "lastSequence": "7", "httpStatus": "503"}
	if failure.Code != codes.Unavailable || failure.ReasonName != "UPSTREAM_5XX" || failure.MayRetry ||
		failure.Message != "the model API failed" || failure.TurnID != "turn-1" {
		t.Errorf("got %+v", failure)
	}
	for key, value := range want {
		if failure.Facts[key] != value {
			t.Errorf("fact %s: got %q, want %q", key, failure.Facts[key], value)
		}
	}
	if failure.Result.GetText() != "" || !failure.Result.GetTextTruncated() || failure.Result.GetCostUsdMicros() != 42 {
		t.Errorf("result: got %v", failure.Result)
	}
}

func TestCodesFollowFromTheReasonAndFromWhatWasStreamed(t *testing.T) {
	cases := []struct {
		reason     string
		hasContent bool
		want       codes.Code
	}{
		{"UPSTREAM_RATE_LIMITED", false, codes.ResourceExhausted},
		{"UPSTREAM_RATE_LIMITED", true, codes.Aborted},
		{"UPSTREAM_MODEL_NOT_FOUND", false, codes.NotFound},
		{"UPSTREAM_AUTH", false, codes.FailedPrecondition},
		{"UPSTREAM_INVALID_REQUEST", false, codes.InvalidArgument},
		{"UPSTREAM_CONFLICT", false, codes.Aborted},
		{"UPSTREAM_UNKNOWN", false, codes.Internal},
		{"TURN_INTERRUPTED", false, codes.Aborted},
		{"TURN_LOST", true, codes.Aborted},
		{"CANCELLED", true, codes.Canceled},
		{"DEADLINE_EXCEEDED", true, codes.DeadlineExceeded},
		{"INTERNAL", true, codes.Internal},
		{"A_REASON_OF_TOMORROW", false, codes.Internal},
	}
	for _, test := range cases {
		if got := codeAfterPrompt(test.reason, test.hasContent); got != test.want {
			t.Errorf("%s %v: got %s, want %s", test.reason, test.hasContent, got, test.want)
		}
	}
}
