// A turn through the client, against a server that does what the test says.

package clauderunner_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	clauderunner "github.com/claude-runner/claude-runner/clients/go"
	"github.com/claude-runner/claude-runner/clients/go/runnerv1"
)

// failureOf is err as the type that users catch.
func failureOf(t *testing.T, err error) *clauderunner.Error {
	t.Helper()
	var failure *clauderunner.Error
	if !errors.As(err, &failure) {
		t.Fatalf("got %v, want a *clauderunner.Error", err)
	}
	return failure
}

func TestEventsComeInOrderAndUnknownKindsAreSkipped(t *testing.T) {
	turn := begin(t, streaming(t, sends(started(), fromNewerServer(), textDelta("Hello", 0, 0), completed("Hello"))))
	var sequences []int32
	for event, err := range turn.Events() {
		if err != nil {
			t.Fatal(err)
		}
		sequences = append(sequences, event.GetSequence())
	}
	equalAll(t, "sequences", sequences, []int32{1, 3, 4})
	equal(t, "unknown", turn.UnknownCount(), 1)
	equal(t, "worker", turn.Started().GetWorkerId(), "worker-1")
	equal(t, "turn", turn.ID(), "turn-1")
}

func TestTextGivesWhatIsRetractedLaterAndCollectedTextDoesNot(t *testing.T) {
	ofSubAgent := textDelta("aside", 1, 0)
	ofSubAgent.ParentToolUseId = "tool-1"
	turn := begin(t, streaming(t, sends(
		started(), textDelta("Hel", 0, 0), textDelta("lo", 0, 0), ofSubAgent, retracted(0, 0), textDelta("Hi", 0, 0), completed("Hi"),
	)))
	var pieces []string
	for text, err := range turn.Text() {
		if err != nil {
			t.Fatal(err)
		}
		pieces = append(pieces, text)
	}
	equalAll(t, "pieces", pieces, []string{"Hel", "lo", "Hi"})
	equal(t, "collected", turn.CollectedText(), "Hi")
}

func TestResultReadsWhatIsLeft(t *testing.T) {
	turn := begin(t, streaming(t, sends(started(), textDelta("Hello", 0, 0), completed("Hello"))))
	ended, err := turn.Result()
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "outcome", ended.GetOutcome(), runnerv1.Outcome_OUTCOME_COMPLETED)
	equal(t, "collected", turn.CollectedText(), "Hello")
}

func TestAnOutcomeOtherThanCompletedIsNoError(t *testing.T) {
	turn := begin(t, streaming(t, sends(started(), result(runnerv1.Outcome_OUTCOME_COST_LIMIT, ""))))
	ended, err := turn.Result()
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "outcome", ended.GetOutcome(), runnerv1.Outcome_OUTCOME_COST_LIMIT)
}

func TestAFailedTurnHasItsResultAndItsErrorHasItToo(t *testing.T) {
	turn := begin(t, streaming(t, func(_ *runnerv1.StreamChatRequest, stream eventStream) error {
		if err := sendAll(stream, started(), result(runnerv1.Outcome_OUTCOME_WORKER_DIED, "")); err != nil {
			return err
		}
		return status.Error(codes.Aborted, "the worker died")
	}))
	ended, err := turn.Result()
	failure := failureOf(t, err)
	equal(t, "outcome", ended.GetOutcome(), runnerv1.Outcome_OUTCOME_WORKER_DIED)
	equal(t, "code", failure.Code, codes.Aborted)
	equal(t, "cost", failure.Result.GetCostUsdMicros(), 42)
}

func TestAFailureIsToldAgainInASecondPass(t *testing.T) {
	turn := begin(t, streaming(t, func(*runnerv1.StreamChatRequest, eventStream) error {
		return status.Error(codes.NotFound, "there is no such model")
	}))
	for range 2 {
		passes := 0
		for event, err := range turn.Events() {
			passes++
			equal(t, "code", failureOf(t, err).Code, codes.NotFound)
			if event != nil {
				t.Errorf("got the event %v beside the failure", event)
			}
		}
		equal(t, "passes", passes, 1)
	}
}

func TestAStreamWithoutAResultIsAFailure(t *testing.T) {
	turn := begin(t, streaming(t, sends(started(), textDelta("Hel", 0, 0))))
	ended, err := turn.Result()
	failure := failureOf(t, err)
	equal(t, "code", failure.Code, codes.Internal)
	equal(t, "may retry", failure.MayRetry, false)
	if ended != nil {
		t.Errorf("got the result %v, want none", ended)
	}
}

// endless streams until the call is cancelled, and tells that it was.
func endless(cancelled chan<- struct{}) streamChat {
	return func(_ *runnerv1.StreamChatRequest, stream eventStream) error {
		// The caller may be gone before it is through.
		_ = sendAll(stream, started(), textDelta("Hello", 0, 0))
		<-stream.Context().Done()
		cancelled <- struct{}{}
		return status.FromContextError(stream.Context().Err()).Err()
	}
}

func TestLeavingTheLoopCancelsTheTurn(t *testing.T) {
	leave := map[string]func(*clauderunner.Turn){
		"events": func(turn *clauderunner.Turn) {
			for range turn.Events() {
				break
			}
		},
		"text": func(turn *clauderunner.Turn) {
			for range turn.Text() {
				break
			}
		},
		"by a panic": func(turn *clauderunner.Turn) {
			defer func() { _ = recover() }()
			for range turn.Events() {
				panic("of the caller's")
			}
		},
	}
	for name, leaveLoop := range leave {
		t.Run(name, func(t *testing.T) {
			cancelled := make(chan struct{}, 1)
			turn := begin(t, streaming(t, endless(cancelled)))
			leaveLoop(turn)
			<-cancelled
			_, err := turn.Result()
			equal(t, "code", failureOf(t, err).Code, codes.Canceled)
		})
	}
}

func TestLeavingTheLoopAfterTheResultIsNoCancel(t *testing.T) {
	isLeaving := make(chan struct{})
	turn := begin(t, streaming(t, func(_ *runnerv1.StreamChatRequest, stream eventStream) error {
		if err := sendAll(stream, started(), completed("Hello")); err != nil {
			return err
		}
		<-isLeaving
		return nil
	}))
	for event := range turn.Events() {
		if event.GetResult() != nil {
			close(isLeaving)
			break
		}
	}
	if _, err := turn.Result(); err != nil {
		t.Error(err)
	}
}

func TestTheContextCancelsTheTurn(t *testing.T) {
	cancelled := make(chan struct{}, 1)
	client := streaming(t, endless(cancelled))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	turn, err := client.StreamPrompt(ctx, "Say hello")
	if err != nil {
		t.Fatal(err)
	}
	var last error
	for text, err := range turn.Text() {
		if text != "" {
			cancel()
		}
		last = err
	}
	<-cancelled
	equal(t, "is context.Canceled", errors.Is(last, context.Canceled), true)
	equal(t, "may retry", failureOf(t, last).MayRetry, false)
}

func TestCancelMayComeFromAnotherGoroutine(t *testing.T) {
	cancelled := make(chan struct{}, 1)
	turn := begin(t, streaming(t, endless(cancelled)))
	go turn.Cancel()
	_, err := turn.Result()
	equal(t, "code", failureOf(t, err).Code, codes.Canceled)
	turn.Cancel()
}

func TestAPassedDeadlineIsContextDeadlineExceeded(t *testing.T) {
	client := streaming(t, endless(make(chan struct{}, 1)))
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	_, err := client.StreamPrompt(ctx, "Say hello")
	equal(t, "is context.DeadlineExceeded", errors.Is(err, context.DeadlineExceeded), true)
}

func TestChatAnswersWithTheWholeTurn(t *testing.T) {
	// More than the 4 MiB at which grpc-go stops by itself.
	long := strings.Repeat("x", 5<<20)
	server := &scriptedServer{chat: func(_ context.Context, request *runnerv1.ChatRequest) (*runnerv1.ChatResponse, error) {
		return &runnerv1.ChatResponse{TurnId: request.GetPrompt(), Text: long}, nil
	}}
	response, err := connect(t, serve(t, server)).ChatPrompt(t.Context(), "Say hello")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "prompt", response.GetTurnId(), "Say hello")
	equal(t, "size", len(response.GetText()), len(long))
}

func TestInfoAndPoolTellAboutTheServer(t *testing.T) {
	client := connect(t, serve(t, &scriptedServer{}))
	info, err := client.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "tenant", info.GetTenant(), "acme")
	pool, err := client.Pool(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "profiles", len(pool.GetPool().GetProfiles()), 1)
}
