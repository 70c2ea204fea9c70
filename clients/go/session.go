// A conversation that the server keeps, by its id.

package clauderunner

import (
	"context"
	"iter"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/claude-runner/claude-runner/clients/go/runnerv1"
)

// Session is a handle of a conversation that the server keeps: nothing but its id, and what its turns have in common. It
// outlives this program, and any number of handles may name the same session.
//
// Its methods may be called by many goroutines at once. What becomes of a turn while another one runs is for the template's
// busy policy to say; by default it fails with SESSION_BUSY.
type Session struct {
	client   *Client
	id       string
	template *runnerv1.StreamChatRequest
	// Whether the next turn may create the session.
	mayCreate atomic.Bool
}

// Session is a handle of the session with this id. The handle's first turn creates the session if it is not there; later
// ones do not, so that a session which was deleted or has expired does not begin anew unnoticed.
//
// The template says what all turns have: profile, model, system prompt, limits, busy policy. The title, the labels and the
// expiry in its `session` are for a session that is created. Its prompt, content and history are not used. Nil means the
// defaults.
func (c *Client) Session(id string, template *runnerv1.StreamChatRequest) *Session {
	session := c.ExistingSession(id, template)
	session.mayCreate.Store(true)
	return session
}

// ExistingSession is the same for a session that must be there: a turn fails with SESSION_NOT_FOUND if it is not.
func (c *Client) ExistingSession(id string, template *runnerv1.StreamChatRequest) *Session {
	session := &Session{client: c, id: id, template: &runnerv1.StreamChatRequest{}}
	if template != nil {
		session.template = proto.CloneOf(template)
	}
	session.template.Prompt, session.template.Content, session.template.History = "", nil, nil
	if session.template.Session == nil {
		session.template.Session = &runnerv1.SessionRef{}
	}
	session.template.Session.Id = id
	return session
}

// ID is the session's id.
func (s *Session) ID() string {
	return s.id
}

// Stream begins the session's next turn, as [Client.Stream] does.
func (s *Session) Stream(ctx context.Context, prompt string, options ...grpc.CallOption) (*Turn, error) {
	return s.StreamRequest(ctx, &runnerv1.StreamChatRequest{Prompt: prompt}, options...)
}

// StreamRequest is Stream for more than a prompt, such as pictures. What the request leaves out is the template's.
func (s *Session) StreamRequest(
	ctx context.Context, request *runnerv1.StreamChatRequest, options ...grpc.CallOption,
) (*Turn, error) {
	turn, err := s.client.Stream(ctx, s.next(request), options...)
	if err != nil {
		return nil, err
	}
	turn.onStart = func() { s.mayCreate.Store(false) }
	return turn, nil
}

// Chat runs the session's next turn in one call, as [Client.Chat] does.
func (s *Session) Chat(
	ctx context.Context, prompt string, options ...grpc.CallOption,
) (*runnerv1.ChatResponse, error) {
	response, err := s.client.Chat(ctx, collected(s.next(&runnerv1.StreamChatRequest{Prompt: prompt})), options...)
	if err == nil {
		s.mayCreate.Store(false)
	}
	return response, err
}

// Get tells what the session is. A failure is an [*Error]; so it is for all calls below.
func (s *Session) Get(ctx context.Context, options ...grpc.CallOption) (*runnerv1.Session, error) {
	response, err := unary(ctx, s.client.sessions.GetSession, &runnerv1.GetSessionRequest{Id: s.id}, options)
	return response.GetSession(), err
}

// Update changes what the request's `update_mask` names: title, labels, idle_expiry.
func (s *Session) Update(
	ctx context.Context, request *runnerv1.UpdateSessionRequest, options ...grpc.CallOption,
) (*runnerv1.Session, error) {
	request = proto.CloneOf(request)
	request.Id = s.id
	response, err := unary(ctx, s.client.sessions.UpdateSession, request, options)
	return response.GetSession(), err
}

// Delete deletes the session and all its words. While a turn runs in it, that fails with SESSION_BUSY, or interrupts the
// turn if force says so.
func (s *Session) Delete(
	ctx context.Context, force bool, options ...grpc.CallOption,
) (*runnerv1.DeleteSessionResponse, error) {
	request := &runnerv1.DeleteSessionRequest{Id: s.id, Force: force}
	return unary(ctx, s.client.sessions.DeleteSession, request, options)
}

// Fork copies the conversation into a new session, up to a turn if the request names one. Nil copies all of it.
func (s *Session) Fork(
	ctx context.Context, request *runnerv1.ForkSessionRequest, options ...grpc.CallOption,
) (*runnerv1.Session, error) {
	if request == nil {
		request = &runnerv1.ForkSessionRequest{}
	}
	request = proto.CloneOf(request)
	request.Id = s.id
	response, err := unary(ctx, s.client.sessions.ForkSession, request, options)
	return response.GetSession(), err
}

// Turns gives the session's turns with what was said in them, from the first one on. See [Client.Turns].
func (s *Session) Turns(ctx context.Context, options ...grpc.CallOption) iter.Seq2[*runnerv1.Turn, error] {
	request := &runnerv1.ListTurnsRequest{SessionId: s.id, View: runnerv1.TurnView_TURN_VIEW_FULL}
	return s.client.Turns(ctx, request, options...)
}

// next makes a turn's request.
func (s *Session) next(request *runnerv1.StreamChatRequest) *runnerv1.StreamChatRequest {
	turn := proto.CloneOf(s.template)
	proto.Merge(turn, request)
	turn.Session.Id = s.id
	turn.Session.AllowMissing = s.mayCreate.Load()
	return turn
}
