// What the server keeps: sessions, and turns as things of their own.

package clauderunner

import (
	"context"
	"iter"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/claude-runner/claude-runner/clients/go/runnerv1"
)

// CreateSession makes an empty session; [Client.Session] with its id goes on with it. Nil lets the server choose everything.
// A failure is an [*Error], as for all calls here.
func (c *Client) CreateSession(
	ctx context.Context, request *runnerv1.CreateSessionRequest, options ...grpc.CallOption,
) (*runnerv1.Session, error) {
	response, err := unary(ctx, c.sessions.CreateSession, request, options)
	return response.GetSession(), err
}

// Sessions gives all sessions that the request asks for, page by page, the one that changed last first. Nil asks for all. A
// failure ends them with a nil session and an [*Error].
func (c *Client) Sessions(
	ctx context.Context, request *runnerv1.ListSessionsRequest, options ...grpc.CallOption,
) iter.Seq2[*runnerv1.Session, error] {
	page := &runnerv1.ListSessionsRequest{}
	if request != nil {
		page = proto.CloneOf(request)
	}
	return pages(func(token string) ([]*runnerv1.Session, string, error) {
		page.PageToken = token
		response, err := unary(ctx, c.sessions.ListSessions, page, options)
		return response.GetSessions(), response.GetNextPageToken(), err
	})
}

// Turns gives all turns that the request asks for, page by page: those of a session from its first turn on, all others the
// newest first. Nil asks for all. A failure ends them with a nil turn and an [*Error].
func (c *Client) Turns(
	ctx context.Context, request *runnerv1.ListTurnsRequest, options ...grpc.CallOption,
) iter.Seq2[*runnerv1.Turn, error] {
	page := &runnerv1.ListTurnsRequest{}
	if request != nil {
		page = proto.CloneOf(request)
	}
	return pages(func(token string) ([]*runnerv1.Turn, string, error) {
		page.PageToken = token
		response, err := unary(ctx, c.turns.ListTurns, page, options)
		return response.GetTurns(), response.GetNextPageToken(), err
	})
}

// GetTurn tells about a turn, by its id or its request id, and how it ended if that is asked for and known.
func (c *Client) GetTurn(
	ctx context.Context, request *runnerv1.GetTurnRequest, options ...grpc.CallOption,
) (*runnerv1.GetTurnResponse, error) {
	return unary(ctx, c.turns.GetTurn, request, options)
}

// InterruptTurn stops a turn, whoever began it, and returns when it has ended.
func (c *Client) InterruptTurn(
	ctx context.Context, turnID string, options ...grpc.CallOption,
) (*runnerv1.InterruptTurnResponse, error) {
	return unary(ctx, c.turns.InterruptTurn, &runnerv1.InterruptTurnRequest{TurnId: turnID}, options)
}

// Attach reads a turn that runs or has run, by its id or its request id, after an event of it. It is read like a turn of
// one's own, ends like one, and rejoins by itself when its connection breaks, as with [Rejoin]. But it does not own the
// turn: leaving it, by the context as well, stops the reading only.
func (c *Client) Attach(
	ctx context.Context, request *runnerv1.AttachTurnRequest, options ...grpc.CallOption,
) (*Turn, error) {
	return newTurn(ctx, func(ctx context.Context) (eventSource, error) {
		return attachRejoining(ctx, c, request, options)
	})
}

// pages gives the items of all pages. Each pass begins with the first page.
func pages[Item any](page func(token string) ([]*Item, string, error)) iter.Seq2[*Item, error] {
	return func(yield func(*Item, error) bool) {
		for token := ""; ; {
			items, next, err := page(token)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			token = next
		}
	}
}
