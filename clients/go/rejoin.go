// A turn's events over as many calls as it takes: the call that begins it, then calls that attach to it.

package clauderunner

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/claude-runner/claude-runner/clients/go/runnerv1"
)

// How long the server may take to end a turn that its caller has given up.
const interruptTimeout = 5 * time.Second

// rejoiningStream is one stream for its reader: every event once and in order, whatever becomes of the calls.
type rejoiningStream struct {
	ctx     context.Context
	release func()
	client  *Client
	options []grpc.CallOption
	// The call that begins the turn; nil for a turn that somebody else has begun.
	begin *runnerv1.StreamChatRequest
	// Which turn to attach to.
	attach *runnerv1.AttachTurnRequest

	// The call of now; nil between two.
	current    eventSource
	isAttached bool
	patience   patience

	lastSequence int32
	hasEvent     bool
	hasContent   bool
	result       *runnerv1.TurnResult
	// Also read by whoever interrupts the turn.
	id atomic.Pointer[string]

	// The server has ended the call for its caller's deadline, before the context has.
	isAbandoned bool
	closing     sync.Once
	// Of a turn that was begun here: keeps it from being interrupted, unless that has begun already, and says so.
	stopWatch   func() bool
	interrupted chan struct{}
}

// beginRejoining begins a turn that goes on without its caller, until the context ends.
func beginRejoining(
	ctx context.Context, client *Client, request *runnerv1.StreamChatRequest, options []grpc.CallOption,
) (*rejoiningStream, error) {
	request = proto.CloneOf(request)
	request.OnDisconnect = runnerv1.OnDisconnect_ON_DISCONNECT_CONTINUE
	if request.GetRequestId() == "" {
		request.RequestId = newRequestID()
	}
	ctx, release := client.whileOpen(ctx)
	stream := &rejoiningStream{
		ctx: ctx, release: release, client: client, options: options, begin: request,
		attach: &runnerv1.AttachTurnRequest{
			Turn:   &runnerv1.AttachTurnRequest_RequestId{RequestId: request.GetRequestId()},
			Detail: request.GetDetail(),
		},
		patience:    newPatience(time.Now()),
		interrupted: make(chan struct{}),
	}
	if err := stream.open(); err != nil {
		release()
		return nil, err
	}
	client.leaving.Add(1)
	stream.stopWatch = context.AfterFunc(ctx, stream.interrupt)
	return stream, nil
}

// attachRejoining reads a turn that somebody else has begun. It is not interrupted when the context ends.
func attachRejoining(
	ctx context.Context, client *Client, request *runnerv1.AttachTurnRequest, options []grpc.CallOption,
) (*rejoiningStream, error) {
	ctx, release := client.whileOpen(ctx)
	stream := &rejoiningStream{
		ctx: ctx, release: release, client: client, options: options, attach: proto.CloneOf(request),
		isAttached:   true,
		patience:     newPatience(time.Now()),
		lastSequence: request.GetAfterSequence(),
	}
	if err := stream.open(); err != nil {
		release()
		return nil, err
	}
	return stream, nil
}

// whileOpen is a context that ends with the client as well. The function frees what it takes.
func (c *Client) whileOpen(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(c.life, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

func (s *rejoiningStream) next() (*runnerv1.StreamChatResponse, error) {
	for {
		event, err := s.receive()
		if err == nil {
			if s.take(event) {
				return event, nil
			}
			continue
		}
		s.current = nil
		isOver, end := s.judge(err)
		if isOver {
			return nil, s.named(end)
		}
		delay, isPatient := s.patience.delay(time.Now())
		if !isPatient {
			return nil, s.named(end)
		}
		wait(s.ctx, delay)
	}
}

// receive asks the call of now, or makes another one.
func (s *rejoiningStream) receive() (*runnerv1.StreamChatResponse, error) {
	if s.current == nil {
		if err := s.open(); err != nil {
			return nil, err
		}
	}
	return s.current.next()
}

func (s *rejoiningStream) open() error {
	if !s.isAttached {
		stream, err := startStream(s.ctx, s.client, s.begin, s.options)
		if err == nil {
			s.current = stream
		}
		return err
	}
	request := proto.CloneOf(s.attach)
	request.AfterSequence = s.lastSequence
	stream, err := attachStream(s.ctx, s.client, request, s.options)
	if err == nil {
		s.current = stream
	}
	return err
}

// take notes an event, and tells whether it is news.
func (s *rejoiningStream) take(event *runnerv1.StreamChatResponse) bool {
	s.patience.sign(time.Now())
	if id := event.GetTurnId(); id != "" && s.turnID() == "" {
		s.id.Store(&id)
	}
	if event.GetHeartbeat() != nil {
		// While a turn waits, only those who are attached get any: a stream begins with `started`.
		return s.hasEvent
	}
	if event.GetSequence() <= s.lastSequence {
		return false
	}
	s.lastSequence, s.hasEvent = event.GetSequence(), true
	switch kind := event.GetEvent().(type) {
	case *runnerv1.StreamChatResponse_TextDelta, *runnerv1.StreamChatResponse_ToolUse, *runnerv1.StreamChatResponse_Gap:
		s.hasContent = true
	case *runnerv1.StreamChatResponse_Result:
		s.result = kind.Result
	}
	return true
}

// judge tells whether the end of a call is the end of the stream, and which one. If it is not, the next call is clear, and
// the error is what the stream fails with if there is no time for it.
func (s *rejoiningStream) judge(err error) (isOver bool, end error) {
	var failure *Error
	if !errors.As(err, &failure) {
		failure = errNoResult()
	}
	if s.result != nil {
		// The call that began the turn says itself what it failed with, if it gets to it.
		if !s.isAttached && (errors.Is(err, io.EOF) || failure.ReasonName != "") {
			return true, err
		}
		if failed := turnFailure(s.turnID(), s.result, s.lastSequence, s.hasContent); failed != nil {
			return true, failed
		}
		return true, io.EOF
	}
	if s.ctx.Err() != nil {
		return true, newError(status.FromContextError(s.ctx.Err()), nil, true)
	}
	// The turn has all its readers: one of them may go.
	if s.isAttached && failure.Reason == runnerv1.ErrorReason_ERROR_REASON_QUOTA_EXCEEDED {
		return false, failure
	}
	switch setbackOf(failure) {
	case broken:
		s.isAttached = true
		return false, failure
	case unknownTurn:
		if s.begin == nil || s.hasEvent {
			return true, failure
		}
		s.isAttached = false
		return false, failure
	default:
		// The deadline ends the call, by the server's clock first, and leaves the turn.
		s.isAbandoned = failure.Code == codes.DeadlineExceeded
		return true, failure
	}
}

// named is an error with the turn's id, by which somebody may still ask for the turn.
func (s *rejoiningStream) named(err error) error {
	var failure *Error
	if errors.As(err, &failure) && failure.TurnID == "" {
		failure.TurnID = s.turnID()
	}
	return err
}

func (s *rejoiningStream) turnID() string {
	if id := s.id.Load(); id != nil {
		return *id
	}
	return ""
}

// close waits for the interrupt, if there is one: a program may end right behind it.
func (s *rejoiningStream) close() {
	s.closing.Do(func() {
		defer s.release()
		if s.begin == nil {
			return
		}
		switch isQuiet := s.stopWatch(); {
		case !isQuiet:
			<-s.interrupted
		case s.isAbandoned:
			s.interrupt()
		default:
			s.client.leaving.Done()
		}
	})
}

// interrupt ends the turn, which would go on.
func (s *rejoiningStream) interrupt() {
	defer s.client.leaving.Done()
	defer close(s.interrupted)
	s.client.giveUp(s.ctx, s.turnID(), s.begin.GetRequestId(), s.options)
}

// giveUp interrupts a turn whose caller's context has ended. What goes wrong is of no use to anybody any more.
func (c *Client) giveUp(ctx context.Context, turnID, requestID string, options []grpc.CallOption) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), interruptTimeout)
	defer cancel()
	if turnID == "" {
		found, err := c.turns.GetTurn(ctx, &runnerv1.GetTurnRequest{
			Turn: &runnerv1.GetTurnRequest_RequestId{RequestId: requestID},
		}, options...)
		if err != nil {
			return
		}
		turnID = found.GetTurn().GetId()
	}
	_, _ = c.turns.InterruptTurn(ctx, &runnerv1.InterruptTurnRequest{TurnId: turnID}, options...)
}
