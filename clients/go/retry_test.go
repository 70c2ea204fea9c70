// What the client repeats by itself, and what never.

package clauderunner_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	clauderunner "github.com/claude-runner/claude-runner/clients/go"
	"github.com/claude-runner/claude-runner/clients/go/runnerv1"
)

// refusing refuses so often before it answers, with a push-back.
func refusing(count int32, code codes.Code, pushback string) streamChat {
	var calls atomic.Int32
	return func(_ *runnerv1.StreamChatRequest, stream eventStream) error {
		if calls.Add(1) > count {
			return sendAll(stream, started(), completed("Hello"))
		}
		stream.SetTrailer(metadata.Pairs("grpc-retry-pushback-ms", pushback))
		return status.Error(code, "not now")
	}
}

func TestOnlyWhatTheServerAllowsIsRepeated(t *testing.T) {
	atMost := int32(99)
	cases := map[string]struct {
		stream  streamChat
		options []clauderunner.Option
		calls   int
		code    codes.Code
		again   bool
	}{
		"until it is taken":        {refusing(2, codes.Unavailable, "0"), nil, 3, codes.OK, false},
		"four times at most":       {refusing(atMost, codes.Unavailable, "1"), nil, 4, codes.Unavailable, true},
		"not when told never to":   {refusing(atMost, codes.Unavailable, "-1"), nil, 1, codes.Unavailable, false},
		"not when told nonsense":   {refusing(atMost, codes.Unavailable, "soon"), nil, 1, codes.Unavailable, false},
		"not a caller's own limit": {refusing(atMost, codes.ResourceExhausted, "0"), nil, 1, codes.ResourceExhausted, false},
		"not when retry is off": {
			refusing(atMost, codes.Unavailable, "0"), []clauderunner.Option{clauderunner.WithoutRetry()}, 1, codes.Unavailable, true,
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			server := serve(t, &scriptedServer{streamChat: test.stream})
			_, err := begin(t, connect(t, server, test.options...)).Result()
			equal(t, "code", status.Code(err), test.code)
			equal(t, "calls", len(server.calls()), test.calls)
			if err != nil {
				equal(t, "may retry", failureOf(t, err).MayRetry, test.again)
			}
		})
	}
}

func TestWhatTheLastAttemptFailedWithIsTold(t *testing.T) {
	refusal := failing(t, codes.Unavailable, "the queue is full",
		&errdetails.ErrorInfo{Reason: "QUEUE_FULL", Domain: "claude-runner"})
	server := serve(t, &scriptedServer{streamChat: func(_ *runnerv1.StreamChatRequest, stream eventStream) error {
		stream.SetTrailer(metadata.Pairs("grpc-retry-pushback-ms", "1"))
		return refusal
	}})
	_, err := begin(t, connect(t, server)).Result()
	failure := failureOf(t, err)
	equal(t, "calls", len(server.calls()), 4)
	equal(t, "message", failure.Message, "the queue is full")
	equal(t, "reason", failure.Reason, runnerv1.ErrorReason_ERROR_REASON_QUEUE_FULL)
	equal(t, "may retry", failure.MayRetry, true)
}

func TestATurnIsNeverRepeatedOnceAnEventWasSeen(t *testing.T) {
	server := serve(t, &scriptedServer{streamChat: func(_ *runnerv1.StreamChatRequest, stream eventStream) error {
		if err := sendAll(stream, started()); err != nil {
			return err
		}
		return status.Error(codes.Unavailable, "gone")
	}})
	_, err := begin(t, connect(t, server)).Result()
	failure := failureOf(t, err)
	equal(t, "code", failure.Code, codes.Unavailable)
	equal(t, "may retry", failure.MayRetry, false)
	equal(t, "calls", len(server.calls()), 1)
}

func TestATurnIsNeverRepeatedOnceItsHeadersWereSeen(t *testing.T) {
	server := serve(t, &scriptedServer{
		streamChat: func(_ *runnerv1.StreamChatRequest, stream eventStream) error {
			if err := stream.SendHeader(nil); err != nil {
				return err
			}
			return status.Error(codes.Unavailable, "gone")
		},
		chat: func(ctx context.Context, _ *runnerv1.ChatRequest) (*runnerv1.ChatResponse, error) {
			if err := grpc.SendHeader(ctx, nil); err != nil {
				return nil, err
			}
			return nil, status.Error(codes.Unavailable, "gone")
		},
	})
	client := connect(t, server)
	_, streamErr := begin(t, client).Result()
	_, chatErr := client.ChatPrompt(t.Context(), "Say hello")
	for _, err := range []error{streamErr, chatErr} {
		failure := failureOf(t, err)
		equal(t, "code", failure.Code, codes.Unavailable)
		equal(t, "may retry", failure.MayRetry, false)
	}
	equal(t, "calls", len(server.calls()), 2)
}

func TestALargeRequestIsRepeatedToo(t *testing.T) {
	server := serve(t, &scriptedServer{streamChat: refusing(1, codes.Unavailable, "0")})
	turn, err := connect(t, server).StreamPrompt(t.Context(), strings.Repeat("x", 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := turn.Result(); err != nil {
		t.Fatal(err)
	}
	equal(t, "calls", len(server.calls()), 2)
}

func TestARefusedChatIsRepeatedAsTheServerSays(t *testing.T) {
	for pushback, calls := range map[string]int{"0": 2, "-1": 1} {
		t.Run(pushback, func(t *testing.T) {
			var count atomic.Int32
			server := serve(t, &scriptedServer{
				chat: func(ctx context.Context, _ *runnerv1.ChatRequest) (*runnerv1.ChatResponse, error) {
					if count.Add(1) > 1 {
						return &runnerv1.ChatResponse{Text: "Hello"}, nil
					}
					if err := grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", pushback)); err != nil {
						return nil, err
					}
					return nil, status.Error(codes.Unavailable, "not now")
				},
			})
			response, err := connect(t, server).ChatPrompt(t.Context(), "Say hello")
			equal(t, "calls", len(server.calls()), calls)
			if calls > 1 {
				equal(t, "text", response.GetText(), "Hello")
			} else {
				equal(t, "may retry", failureOf(t, err).MayRetry, false)
			}
		})
	}
}
