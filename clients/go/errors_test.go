// What a failed call tells, from the status and the trailer that it ended with.

package clauderunner_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	clauderunner "github.com/claude-runner/claude-runner/clients/go"
	"github.com/claude-runner/claude-runner/clients/go/runnerv1"
)

func TestAnErrorHasEverythingThatTheStatusHas(t *testing.T) {
	failure := failureOf(t, clauderunner.FromError(failing(t, codes.Unavailable, "the queue is full",
		&errdetails.ErrorInfo{Reason: "QUEUE_FULL", Domain: "claude-runner", Metadata: map[string]string{"limit": "3"}},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)},
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: "prompt", Description: "must not be empty"},
			{Field: "history[1].role", Description: "has to be ROLE_ASSISTANT"},
		}},
		&runnerv1.TurnResult{CostUsdMicros: 42},
	), nil))
	equal(t, "code", failure.Code, codes.Unavailable)
	equal(t, "reason", failure.Reason, runnerv1.ErrorReason_ERROR_REASON_QUEUE_FULL)
	equal(t, "reason's name", failure.ReasonName, "QUEUE_FULL")
	equal(t, "message", failure.Message, "the queue is full")
	equal(t, "limit", failure.Facts["limit"], "3")
	equal(t, "retry delay", failure.RetryDelay, 1500*time.Millisecond)
	equal(t, "cost", failure.Result.GetCostUsdMicros(), 42)
	equalAll(t, "violations", failure.Violations, []clauderunner.Violation{
		{Field: "prompt", Description: "must not be empty"},
		{Field: "history[1].role", Description: "has to be ROLE_ASSISTANT"},
	})
	equal(t, "text", failure.Error(), "clauderunner: QUEUE_FULL (Unavailable): the queue is full")
	equal(t, "status", status.Code(failure), codes.Unavailable)
}

func TestAnErrorWithoutDetailsHasItsCodeAndMessage(t *testing.T) {
	failure := failureOf(t, clauderunner.FromError(status.Error(codes.Unavailable, "connection refused"), nil))
	equal(t, "reason", failure.Reason, runnerv1.ErrorReason_ERROR_REASON_UNSPECIFIED)
	equal(t, "reason's name", failure.ReasonName, "")
	equal(t, "violations", len(failure.Violations), 0)
	equal(t, "text", failure.Error(), "clauderunner: Unavailable: connection refused")
}

func TestAReasonOfANewerServerIsKeptAsText(t *testing.T) {
	failure := failureOf(t, clauderunner.FromError(failing(t, codes.Aborted, "",
		&errdetails.ErrorInfo{Reason: "MOON_IS_FULL", Domain: "claude-runner"}), nil))
	equal(t, "reason", failure.Reason, runnerv1.ErrorReason_ERROR_REASON_UNSPECIFIED)
	equal(t, "reason's name", failure.ReasonName, "MOON_IS_FULL")
}

func TestAReasonOfSomebodyElseIsNoReason(t *testing.T) {
	failure := failureOf(t, clauderunner.FromError(failing(t, codes.Unavailable, "",
		&errdetails.ErrorInfo{Reason: "QUEUE_FULL", Domain: "proxy.example"}), nil))
	equal(t, "reason's name", failure.ReasonName, "")
}

func TestMayRetryFollowsCodeAndPushback(t *testing.T) {
	cases := map[string]struct {
		code     codes.Code
		pushback []string
		want     bool
	}{
		"without push-back":    {codes.Unavailable, nil, true},
		"at once":              {codes.Unavailable, []string{"0"}, true},
		"after a wait":         {codes.Unavailable, []string{"1500"}, true},
		"never":                {codes.Unavailable, []string{"-1"}, false},
		"unreadable":           {codes.Unavailable, []string{"soon"}, false},
		"given twice":          {codes.Unavailable, []string{"1", "1"}, false},
		"of the caller's own":  {codes.ResourceExhausted, nil, false},
		"other codes with one": {codes.Aborted, []string{"1"}, false},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			trailer := metadata.MD{"grpc-retry-pushback-ms": test.pushback}
			failure := failureOf(t, clauderunner.FromError(status.Error(test.code, ""), trailer))
			equal(t, "may retry", failure.MayRetry, test.want)
		})
	}
}

func TestFromErrorLeavesWhatIsNoNewFailureAlone(t *testing.T) {
	equal(t, "nil", clauderunner.FromError(nil, nil), nil)
	known := clauderunner.FromError(status.Error(codes.NotFound, ""), nil)
	wrapped := fmt.Errorf("asking: %w", known)
	equal(t, "known", clauderunner.FromError(wrapped, nil), wrapped)
}

func TestErrorsOfContextsAreFoundInBothDirections(t *testing.T) {
	cancelled := clauderunner.FromError(context.Canceled, nil)
	equal(t, "code", failureOf(t, cancelled).Code, codes.Canceled)
	equal(t, "is cancelled", errors.Is(cancelled, context.Canceled), true)
	equal(t, "is late", errors.Is(cancelled, context.DeadlineExceeded), false)
	equal(t, "is the end", errors.Is(cancelled, io.EOF), false)
}

func TestARefusedRequestTellsEveryViolation(t *testing.T) {
	refusal := failing(t, codes.InvalidArgument, "the request is not valid",
		&errdetails.ErrorInfo{Reason: "INVALID_REQUEST", Domain: "claude-runner"},
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "prompt"}, {Field: "profile"}}})
	client := connect(t, serve(t, &scriptedServer{
		streamChat: func(*runnerv1.StreamChatRequest, eventStream) error { return refusal },
		chat: func(context.Context, *runnerv1.ChatRequest) (*runnerv1.ChatResponse, error) {
			return nil, refusal
		},
	}))
	_, streamError := begin(t, client).Result()
	_, chatError := client.ChatPrompt(t.Context(), "")
	for name, err := range map[string]error{"stream": streamError, "chat": chatError} {
		failure := failureOf(t, err)
		equal(t, name+"'s reason", failure.Reason, runnerv1.ErrorReason_ERROR_REASON_INVALID_REQUEST)
		equal(t, name+"'s violations", len(failure.Violations), 2)
	}
}

func TestAServerThatIsNotThereIsAnErrorLikeAnyOther(t *testing.T) {
	// Port 1 of loopback: nobody listens there.
	client, err := clauderunner.New("127.0.0.1:1", clauderunner.WithToken("secret-token"), clauderunner.WithoutRetry())
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Info(t.Context())
	failure := failureOf(t, err)
	equal(t, "code", failure.Code, codes.Unavailable)
	equal(t, "may retry", failure.MayRetry, true)
	equal(t, "shows the token", strings.Contains(fmt.Sprintf("%v %+v %#v", err, failure, failure), "secret-token"), false)
	if err := client.Close(); err != nil {
		t.Error(err)
	}
}
