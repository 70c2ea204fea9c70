// The part of the scripted server that keeps things: turns that are attached to and stopped, sessions that are listed.

package clauderunner_test

import (
	"context"
	"fmt"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/claude-runner/claude-runner/clients/go/runnerv1"
)

type attachTurn func(*runnerv1.AttachTurnRequest, grpc.ServerStreamingServer[runnerv1.AttachTurnResponse]) error

// keptServer carries out attach, has one turn, and notes which turns it was told to stop.
type keptServer struct {
	runnerv1.UnimplementedSessionServiceServer
	runnerv1.UnimplementedTurnServiceServer
	attach attachTurn
	// How many sessions there are, and turns of each.
	keptCount int

	keptMutex   sync.Mutex
	interrupted []string
	pageTokens  []string
}

func (s *keptServer) AttachTurn(
	request *runnerv1.AttachTurnRequest, stream grpc.ServerStreamingServer[runnerv1.AttachTurnResponse],
) error {
	return s.attach(request, stream)
}

func (s *keptServer) GetTurn(_ context.Context, request *runnerv1.GetTurnRequest) (*runnerv1.GetTurnResponse, error) {
	return &runnerv1.GetTurnResponse{Turn: &runnerv1.Turn{Id: "turn of " + request.GetRequestId()}}, nil
}

func (s *keptServer) InterruptTurn(
	_ context.Context, request *runnerv1.InterruptTurnRequest,
) (*runnerv1.InterruptTurnResponse, error) {
	s.keptMutex.Lock()
	defer s.keptMutex.Unlock()
	s.interrupted = append(s.interrupted, request.GetTurnId())
	return &runnerv1.InterruptTurnResponse{Interrupted: true}, nil
}

func (s *keptServer) ListTurns(
	_ context.Context, request *runnerv1.ListTurnsRequest,
) (*runnerv1.ListTurnsResponse, error) {
	response := &runnerv1.ListTurnsResponse{}
	response.NextPageToken = s.page(request.GetPageToken(), func(number int) {
		response.Turns = append(response.Turns, &runnerv1.Turn{
			Id: fmt.Sprint(number), SessionId: request.GetSessionId(), HasContent: request.GetView() == runnerv1.TurnView_TURN_VIEW_FULL,
		})
	})
	return response, nil
}

func (s *keptServer) ListSessions(
	_ context.Context, request *runnerv1.ListSessionsRequest,
) (*runnerv1.ListSessionsResponse, error) {
	if request.GetTitleContains() == "nobody's" {
		return nil, status.Error(codes.PermissionDenied, "scripted: not yours")
	}
	response := &runnerv1.ListSessionsResponse{}
	response.NextPageToken = s.page(request.GetPageToken(), func(number int) {
		response.Sessions = append(response.Sessions, &runnerv1.Session{Id: fmt.Sprint(number)})
	})
	return response, nil
}

// page adds two things from where the token says, and gives the token of the next page.
func (s *keptServer) page(token string, add func(number int)) (next string) {
	s.keptMutex.Lock()
	defer s.keptMutex.Unlock()
	s.pageTokens = append(s.pageTokens, token)
	number := 0
	_, _ = fmt.Sscan(token, &number) // The first page has none.
	for range 2 {
		if number++; number > s.keptCount {
			return ""
		}
		add(number)
	}
	if number == s.keptCount {
		return ""
	}
	return fmt.Sprint(number)
}

// stopped are the turns that were stopped so far.
func (s *keptServer) stopped() []string {
	s.keptMutex.Lock()
	defer s.keptMutex.Unlock()
	return append([]string{}, s.interrupted...)
}

// attached are the messages of an attached stream: a state, then events from a number on.
func attached(from int32, events ...*runnerv1.StreamChatResponse) []*runnerv1.AttachTurnResponse {
	messages := []*runnerv1.AttachTurnResponse{{Message: &runnerv1.AttachTurnResponse_State{
		State: &runnerv1.Turn{Id: "turn-1", State: runnerv1.TurnState_TURN_STATE_RUNNING},
	}}}
	for i, event := range events {
		event.Sequence, event.TurnId = from+int32(i), "turn-1"
		messages = append(messages, &runnerv1.AttachTurnResponse{Message: &runnerv1.AttachTurnResponse_Event{Event: event}})
	}
	return messages
}

// attaching answers with these messages and status OK.
func attaching(messages ...*runnerv1.AttachTurnResponse) attachTurn {
	return func(_ *runnerv1.AttachTurnRequest, stream grpc.ServerStreamingServer[runnerv1.AttachTurnResponse]) error {
		for _, message := range messages {
			if err := stream.Send(message); err != nil {
				return err
			}
		}
		return nil
	}
}
