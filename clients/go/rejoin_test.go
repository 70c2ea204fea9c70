// A turn that goes on when its connection breaks, and what becomes of it when its caller goes.

package clauderunner_test

import (
	"context"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	clauderunner "github.com/claude-runner/claude-runner/clients/go"
	"github.com/claude-runner/claude-runner/clients/go/runnerv1"
)

// breaking sends these events, and then the way to the server breaks.
func breaking(events ...*runnerv1.StreamChatResponse) streamChat {
	return func(_ *runnerv1.StreamChatRequest, stream eventStream) error {
		if err := sendAll(stream, events...); err != nil {
			return err
		}
		return status.Error(codes.Unavailable, "scripted: the connection broke")
	}
}

// rejoining begins a turn that rejoins.
func rejoining(t *testing.T, server *scriptedServer) *clauderunner.Turn {
	t.Helper()
	turn, err := connect(t, serve(t, server)).StreamPrompt(t.Context(), "Say hello", clauderunner.Rejoin())
	if err != nil {
		t.Fatal(err)
	}
	return turn
}

func heartbeat() *runnerv1.StreamChatResponse {
	return &runnerv1.StreamChatResponse{Event: &runnerv1.StreamChatResponse_Heartbeat{Heartbeat: &runnerv1.Heartbeat{}}}
}

func TestABrokenStreamGoesOnAfterItsLastEventAndNoEventComesTwice(t *testing.T) {
	var cursors []int32
	server := &scriptedServer{streamChat: breaking(started(), textDelta("Hel", 0, 0))}
	server.attach = func(
		request *runnerv1.AttachTurnRequest, stream grpc.ServerStreamingServer[runnerv1.AttachTurnResponse],
	) error {
		cursors = append(cursors, request.GetAfterSequence())
		// The first of them is known already.
		return attaching(attached(2, textDelta("Hel", 0, 0), textDelta("lo", 0, 0), completed("Hello"))...)(request, stream)
	}
	turn := rejoining(t, server)
	var sequences []int32
	for event, err := range turn.Events() {
		if err != nil {
			t.Fatal(err)
		}
		sequences = append(sequences, event.GetSequence())
	}
	equalAll(t, "sequences", sequences, []int32{1, 2, 3, 4})
	equalAll(t, "cursors", cursors, []int32{2})
	equal(t, "text", turn.CollectedText(), "Hello")
	equal(t, "gap", turn.HasGap(), false)
	equal(t, "stopped", len(server.stopped()), 0)
}

func TestAHeartbeatOfATurnThatWaitsComesBeforeNoStarted(t *testing.T) {
	waiting := attached(0, heartbeat())
	server := &scriptedServer{streamChat: breaking()}
	server.attach = attaching(append(waiting, attached(1, started(), completed("Hello"))...)...)
	turn := rejoining(t, server)
	for event, err := range turn.Events() {
		if err != nil {
			t.Fatal(err)
		}
		if event.GetStarted() == nil {
			t.Errorf("the first event is %v", event)
		}
		break
	}
}

func TestAGapIsGivenAsAnEventAndMarksTheTurn(t *testing.T) {
	gap := &runnerv1.AttachTurnResponse{Message: &runnerv1.AttachTurnResponse_Gap{
		Gap: &runnerv1.Gap{FirstSequence: 3, LastSequence: 5},
	}}
	server := &scriptedServer{streamChat: breaking(started(), textDelta("Hel", 0, 0))}
	server.attach = attaching(append(append(attached(0), gap), attached(6, completed("Hello"))...)...)
	turn := rejoining(t, server)
	var gaps []int32
	for event, err := range turn.Events() {
		if err != nil {
			t.Fatal(err)
		}
		if missing := event.GetGap(); missing != nil {
			gaps = append(gaps, missing.GetFirstSequence(), missing.GetLastSequence(), event.GetSequence())
		}
	}
	equalAll(t, "gap", gaps, []int32{3, 5, 5})
	equal(t, "has a gap", turn.HasGap(), true)
}

func TestAConversationGoesOnWithTheWholeAnswerWhenItsStreamHadAGap(t *testing.T) {
	gap := &runnerv1.AttachTurnResponse{Message: &runnerv1.AttachTurnResponse_Gap{
		Gap: &runnerv1.Gap{FirstSequence: 3, LastSequence: 5},
	}}
	server := &scriptedServer{streamChat: breaking(started(), textDelta("Hel", 0, 0))}
	server.attach = attaching(append(append(attached(0), gap), attached(6, completed("Hello"))...)...)
	conversation := connect(t, serve(t, server)).NewConversation(nil)
	turn, err := conversation.Stream(t.Context(), "Say hello", clauderunner.Rejoin())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := turn.Result(); err != nil {
		t.Fatal(err)
	}
	messages := conversation.Messages()
	equal(t, "messages", len(messages), 2)
	equal(t, "answer", messages[1].GetText(), "Hello")
}

func TestATurnThatNeverBeganFailsWithWhatItFailedWith(t *testing.T) {
	refusal := failing(t, codes.Unavailable, "no worker in time", &errdetails.ErrorInfo{
		Domain: "claude-runner", Reason: "QUEUE_TIMEOUT",
	})
	server := &scriptedServer{streamChat: breaking()}
	server.attach = func(*runnerv1.AttachTurnRequest, grpc.ServerStreamingServer[runnerv1.AttachTurnResponse]) error {
		return refusal
	}
	_, err := rejoining(t, server).Result()
	equal(t, "reason", failureOf(t, err).ReasonName, "QUEUE_TIMEOUT")
}

func TestLeavingInterruptsATurnThatWouldGoOn(t *testing.T) {
	leave := map[string]func(context.CancelFunc, *clauderunner.Turn){
		"the loop": func(_ context.CancelFunc, turn *clauderunner.Turn) {
			for range turn.Text() {
				break
			}
		},
		"by Cancel": func(_ context.CancelFunc, turn *clauderunner.Turn) {
			for range turn.Text() {
				turn.Cancel()
			}
		},
		"by the context": func(cancel context.CancelFunc, turn *clauderunner.Turn) {
			for range turn.Text() {
				cancel()
			}
		},
	}
	for name, leaveTurn := range leave {
		t.Run(name, func(t *testing.T) {
			server := &scriptedServer{streamChat: endless(make(chan struct{}, 1))}
			client := connect(t, serve(t, server))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			turn, err := client.StreamPrompt(ctx, "Say hello", clauderunner.Rejoin())
			if err != nil {
				t.Fatal(err)
			}
			leaveTurn(cancel, turn)
			// It is done by then: a program may end right behind it.
			equalAll(t, "stopped", server.stopped(), []string{"turn-1"})
			_, err = turn.Result()
			equal(t, "code", failureOf(t, err).Code, codes.Canceled)
		})
	}
}

func TestATurnWithoutAnEventYetIsInterruptedByItsRequestID(t *testing.T) {
	isWaiting := make(chan struct{})
	server := &scriptedServer{streamChat: func(_ *runnerv1.StreamChatRequest, stream eventStream) error {
		close(isWaiting)
		<-stream.Context().Done()
		return status.FromContextError(stream.Context().Err()).Err()
	}}
	request := &runnerv1.StreamChatRequest{Prompt: "Say hello", RequestId: "mine"}
	turn, err := connect(t, serve(t, server)).Stream(t.Context(), request, clauderunner.Rejoin())
	if err != nil {
		t.Fatal(err)
	}
	<-isWaiting
	turn.Cancel()
	_, err = turn.Result()
	equal(t, "code", failureOf(t, err).Code, codes.Canceled)
	equalAll(t, "stopped", server.stopped(), []string{"turn of mine"})
	equal(t, "the caller's own request", request.GetOnDisconnect(), runnerv1.OnDisconnect_ON_DISCONNECT_UNSPECIFIED)
}

func TestTheDeadlineByTheServersClockInterruptsTheTurnAsWell(t *testing.T) {
	server := &scriptedServer{streamChat: func(_ *runnerv1.StreamChatRequest, stream eventStream) error {
		if err := sendAll(stream, started()); err != nil {
			return err
		}
		return failing(t, codes.DeadlineExceeded, "too long", &errdetails.ErrorInfo{
			Domain: "claude-runner", Reason: "DEADLINE_EXCEEDED",
		})
	}}
	_, err := rejoining(t, server).Result()
	equal(t, "code", failureOf(t, err).Code, codes.DeadlineExceeded)
	equalAll(t, "stopped", server.stopped(), []string{"turn-1"})
}

func TestWhoLeavesATurnThatTheyOnlyReadDoesNotStopIt(t *testing.T) {
	server := &scriptedServer{}
	server.attach = attaching(attached(3, textDelta("lo", 0, 0), completed("Hello"))...)
	turn, err := connect(t, serve(t, server)).Attach(t.Context(), &runnerv1.AttachTurnRequest{
		Turn: &runnerv1.AttachTurnRequest_TurnId{TurnId: "turn-1"}, AfterSequence: 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	for event, err := range turn.Events() {
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "sequence", event.GetSequence(), 3)
		break
	}
	equal(t, "stopped", len(server.stopped()), 0)
}

func TestAnIdempotentCallIsSentAgainUnderOneIDAndAPlainOneIsNot(t *testing.T) {
	var ids []string
	server := &scriptedServer{chat: func(ctx context.Context, request *runnerv1.ChatRequest) (*runnerv1.ChatResponse, error) {
		ids = append(ids, request.GetRequestId())
		if len(ids)%2 == 1 {
			if err := grpc.SendHeader(ctx, nil); err != nil {
				return nil, err
			}
			return nil, status.Error(codes.Unavailable, "scripted: the connection broke")
		}
		equal(t, "on disconnect", request.GetOnDisconnect(), runnerv1.OnDisconnect_ON_DISCONNECT_CONTINUE)
		return &runnerv1.ChatResponse{Text: "Hello"}, nil
	}}
	client := connect(t, serve(t, server))
	response, err := client.ChatPrompt(t.Context(), "Say hello", clauderunner.Idempotent())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "text", response.GetText(), "Hello")
	equal(t, "the same id", len(ids) == 2 && ids[0] == ids[1] && ids[0] != "", true)
	_, err = client.ChatPrompt(t.Context(), "Say hello")
	equal(t, "may retry", failureOf(t, err).MayRetry, false)
	equal(t, "calls", len(ids), 3)
}

func TestATurnThatFailedBehindAGapHadContent(t *testing.T) {
	gap := &runnerv1.AttachTurnResponse{Message: &runnerv1.AttachTurnResponse_Gap{
		Gap: &runnerv1.Gap{FirstSequence: 2, LastSequence: 5},
	}}
	failed := &runnerv1.StreamChatResponse{Event: &runnerv1.StreamChatResponse_Result{Result: &runnerv1.TurnResult{
		Outcome: runnerv1.Outcome_OUTCOME_UPSTREAM_ERROR,
		Error: &runnerv1.TurnError{
			Reason: runnerv1.ErrorReason_ERROR_REASON_UPSTREAM_OVERLOADED, Message: "scripted: overloaded",
		},
	}}}
	server := &scriptedServer{streamChat: breaking(started())}
	server.attach = attaching(append(append(attached(0), gap), attached(6, failed)...)...)
	var end error
	for _, err := range rejoining(t, server).Events() {
		end = err
	}
	equal(t, "code", failureOf(t, end).Code, codes.Aborted)
}

func TestAReaderTooManyWaitsUntilAnotherOneGoes(t *testing.T) {
	server := &scriptedServer{streamChat: breaking(started(), textDelta("Hel", 0, 0))}
	isFirst := true
	server.attach = func(
		request *runnerv1.AttachTurnRequest, stream grpc.ServerStreamingServer[runnerv1.AttachTurnResponse],
	) error {
		if isFirst {
			isFirst = false
			return failing(t, codes.ResourceExhausted, "64 calls read it", &errdetails.ErrorInfo{
				Reason: "QUOTA_EXCEEDED", Domain: "claude-runner",
			})
		}
		return attaching(attached(3, textDelta("lo", 0, 0), completed("Hello"))...)(request, stream)
	}
	turn := rejoining(t, server)
	for _, err := range turn.Events() {
		if err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "text", turn.CollectedText(), "Hello")
}

func TestTheServersDeadlineStopsTheTurnOfAnIdempotentCall(t *testing.T) {
	server := serve(t, &scriptedServer{chat: func(context.Context, *runnerv1.ChatRequest) (*runnerv1.ChatResponse, error) {
		return nil, status.Error(codes.DeadlineExceeded, "scripted: ten minutes are over")
	}})
	request := &runnerv1.ChatRequest{Prompt: "Say hello", RequestId: "r"}
	_, err := connect(t, server).Chat(t.Context(), request, clauderunner.Idempotent())
	equal(t, "code", failureOf(t, err).Code, codes.DeadlineExceeded)
	equalAll(t, "stopped", server.stopped(), []string{"turn of r"})
}

func TestAnIdempotentCallThatEndsRefusedAfterItsTurnMayHaveBegunMayNotBeRetried(t *testing.T) {
	isFirst := true
	server := &scriptedServer{chat: func(ctx context.Context, _ *runnerv1.ChatRequest) (*runnerv1.ChatResponse, error) {
		if isFirst {
			isFirst = false
			if err := grpc.SendHeader(ctx, nil); err != nil {
				return nil, err
			}
			return nil, status.Error(codes.Unavailable, "scripted: the connection broke")
		}
		return nil, failing(t, codes.Unavailable, "full", &errdetails.ErrorInfo{
			Reason: "QUEUE_FULL", Domain: "claude-runner",
		})
	}}
	_, err := connect(t, serve(t, server)).ChatPrompt(t.Context(), "Say hello", clauderunner.Idempotent())
	failure := failureOf(t, err)
	equal(t, "reason", failure.ReasonName, "QUEUE_FULL")
	equal(t, "may retry", failure.MayRetry, false)
}

func TestClosingTheClientInterruptsItsTurnsAndEndsTheirStreams(t *testing.T) {
	server := serve(t, &scriptedServer{streamChat: endless(make(chan struct{}, 1))})
	client, err := clauderunner.New(server.address, clauderunner.WithToken(""))
	if err != nil {
		t.Fatal(err)
	}
	turn, err := client.StreamPrompt(t.Context(), "Say hello", clauderunner.Rejoin())
	if err != nil {
		t.Fatal(err)
	}
	for range turn.Text() {
		if err := client.Close(); err != nil {
			t.Fatal(err)
		}
		equalAll(t, "stopped", server.stopped(), []string{"turn-1"})
		break
	}
	_, err = turn.Result()
	equal(t, "code", failureOf(t, err).Code, codes.Canceled)
}
