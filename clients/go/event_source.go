// Where a turn's events come from: its own call, or a call that reads a turn that runs elsewhere.

package clauderunner

import (
	"context"
	"errors"
	"io"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/claude-runner/claude-runner/clients/go/runnerv1"
)

// The response header that names the turn.
const turnIDKey = "claude-runner-turn-id"

// eventSource gives a turn's events in order. It is for one goroutine at a time.
type eventSource interface {
	// next is the next event; io.EOF after an end with status OK, else an *Error.
	next() (*runnerv1.StreamChatResponse, error)
	// turnID is the turn's id if it is known without an event. It does not wait.
	turnID() string
	// close is told that nothing more is wanted.
	close()
}

// ownStream is the stream of the call that begins the turn.
type ownStream struct {
	stream grpc.ServerStreamingClient[runnerv1.StreamChatResponse]
	// The response's headers, once the stream has ended. Empty: there were none.
	header   *metadata.MD
	hasEvent bool
	id       string
}

func startStream(
	ctx context.Context, client *Client, request *runnerv1.StreamChatRequest, options []grpc.CallOption,
) (*ownStream, error) {
	header := &metadata.MD{}
	stream, err := client.runner.StreamChat(ctx, request, append(slices.Clip(options), grpc.Header(header))...)
	if err != nil {
		return nil, FromError(err, nil)
	}
	return &ownStream{stream: stream, header: header}, nil
}

func (s *ownStream) next() (*runnerv1.StreamChatResponse, error) {
	event, err := s.stream.Recv()
	if err != nil {
		s.id = firstOf(*s.header, turnIDKey)
		return nil, withTurnID(streamEnd(err, s.stream.Trailer(), s.hasEvent || len(*s.header) > 0), *s.header)
	}
	s.hasEvent = true
	return event, nil
}

func (s *ownStream) turnID() string {
	return s.id
}

func (s *ownStream) close() {}

// attachedStream is the stream of a call that reads a turn which another call has begun. It ends with OK also when the turn
// failed, and says with a gap what the server no longer has.
type attachedStream struct {
	stream grpc.ServerStreamingClient[runnerv1.AttachTurnResponse]
	id     string
}

func attachStream(
	ctx context.Context, client *Client, request *runnerv1.AttachTurnRequest, options []grpc.CallOption,
) (*attachedStream, error) {
	stream, err := client.turns.AttachTurn(ctx, request, options...)
	if err != nil {
		return nil, FromError(err, nil)
	}
	return &attachedStream{stream: stream}, nil
}

func (s *attachedStream) next() (*runnerv1.StreamChatResponse, error) {
	for {
		message, err := s.stream.Recv()
		if err != nil {
			return nil, streamEnd(err, s.stream.Trailer(), true)
		}
		switch message := message.GetMessage().(type) {
		case *runnerv1.AttachTurnResponse_State:
			s.id = message.State.GetId()
		case *runnerv1.AttachTurnResponse_Event:
			return message.Event, nil
		case *runnerv1.AttachTurnResponse_Gap:
			// As StreamChat itself would say it.
			return &runnerv1.StreamChatResponse{
				Sequence: message.Gap.GetLastSequence(),
				TurnId:   s.id,
				Event:    &runnerv1.StreamChatResponse_Gap{Gap: message.Gap},
			}, nil
		}
	}
}

func (s *attachedStream) turnID() string {
	return s.id
}

func (s *attachedStream) close() {}

// streamEnd is io.EOF as it is, and anything else as an *Error.
func streamEnd(err error, trailer metadata.MD, hasBegun bool) error {
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	return newError(statusOf(err), trailer, hasBegun)
}

// errNoResult is what a stream fails with that ended as if nothing were wrong, but without a result. Taken for a success,
// half an answer would pass for a whole one.
func errNoResult() *Error {
	return newError(status.New(codes.Internal, "the server ended the turn without a result"), nil, true)
}

func firstOf(header metadata.MD, key string) string {
	if values := header.Get(key); len(values) > 0 {
		return values[0]
	}
	return ""
}
