// The client: one connection to a server, and the calls that are over with one answer.

package clauderunner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/claude-runner/claude-runner/clients/go/runnerv1"
)

const (
	// DefaultAddress is where a server listens when nobody told it otherwise.
	DefaultAddress = "127.0.0.1:7433"
	// AddressVariable names the environment variable that is read when [New] is given no address.
	AddressVariable = "CLAUDE_RUNNER_ADDRESS"
	// TokenVariable names the environment variable that is read when [New] is given no token.
	TokenVariable = "CLAUDE_RUNNER_TOKEN"
)

// Client is a connection to one server. It may be used by many goroutines at once; one is enough for a program.
type Client struct {
	conn     *grpc.ClientConn
	runner   runnerv1.ClaudeRunnerClient
	pool     runnerv1.PoolServiceClient
	sessions runnerv1.SessionServiceClient
	turns    runnerv1.TurnServiceClient

	// Ends when the client is closed: turns that rejoin would take the loss of their connection for a passing one.
	life    context.Context
	endLife context.CancelFunc
	// The interrupts that are on their way.
	leaving sync.WaitGroup
}

// New makes a client of the server at address, `host:port` of its gRPC port or any other target that grpc-go resolves.
// An empty address means the one in CLAUDE_RUNNER_ADDRESS, else [DefaultAddress].
//
// The token is the one in CLAUDE_RUNNER_TOKEN unless [WithToken] names another; there is no TLS unless an option asks for
// it; retry is on. Nothing is sent yet: the connection is made by the first call, and made anew whenever it was lost.
//
// It fails for an address that is a URL, a token that no header can hold, and a CA file that cannot be used.
func New(address string, options ...Option) (*Client, error) {
	if address == "" {
		address = os.Getenv(AddressVariable)
	}
	if address == "" {
		address = DefaultAddress
	}
	if strings.HasPrefix(address, "http://") || strings.HasPrefix(address, "https://") {
		// What a URL may hold besides the address is not repeated.
		return nil, errors.New("clauderunner: the address must be host:port of the gRPC port, such as " +
			DefaultAddress + ", and not a URL; for TLS see WithTLS")
	}
	settings := settings{token: os.Getenv(TokenVariable)}
	for _, option := range options {
		option(&settings)
	}
	dialOptions, err := settings.connection()
	if err != nil {
		return nil, fmt.Errorf("clauderunner: %w", err)
	}
	conn, err := grpc.NewClient(address, dialOptions...)
	if err != nil {
		return nil, fmt.Errorf("clauderunner: cannot use the address %q: %w", address, err)
	}
	life, endLife := context.WithCancel(context.Background())
	return &Client{
		conn:     conn,
		runner:   runnerv1.NewClaudeRunnerClient(conn),
		pool:     runnerv1.NewPoolServiceClient(conn),
		sessions: runnerv1.NewSessionServiceClient(conn),
		turns:    runnerv1.NewTurnServiceClient(conn),
		life:     life,
		endLife:  endLife,
	}, nil
}

// Close ends the connection and with it every turn that still runs. A second time it does nothing and fails.
func (c *Client) Close() error {
	c.endLife()
	c.leaving.Wait()
	return c.conn.Close()
}

// Conn is the connection, for what has no method here: the standard health service, reflection,
// [runnerv1.PoolServiceClient.WatchPool]. The token goes along. [FromError] makes an [Error] of what such a call fails with.
func (c *Client) Conn() grpc.ClientConnInterface {
	return c.conn
}

// Chat runs a whole turn and answers when it is over. It fails with RESPONSE_TOO_LARGE when the answer is longer than
// 3 MiB; [Client.Stream] has no such bound. A failure is an [*Error].
//
// A turn that has begun is not repeated, also when the connection breaks: the server has sent its headers then. With
// [Idempotent] among the options the call is sent again, and the turn runs once.
func (c *Client) Chat(
	ctx context.Context, request *runnerv1.ChatRequest, options ...grpc.CallOption,
) (*runnerv1.ChatResponse, error) {
	if hasOption[idempotentOption](options) {
		return c.chatAgain(ctx, request, options)
	}
	return unary(ctx, c.runner.Chat, request, options)
}

// ChatPrompt runs a whole turn for a prompt alone, under the default profile.
func (c *Client) ChatPrompt(
	ctx context.Context, prompt string, options ...grpc.CallOption,
) (*runnerv1.ChatResponse, error) {
	return c.Chat(ctx, &runnerv1.ChatRequest{Prompt: prompt}, options...)
}

// Info tells what the server is, and which profiles, models and limits the caller may use. It uses no worker. A failure
// is an [*Error].
func (c *Client) Info(ctx context.Context, options ...grpc.CallOption) (*runnerv1.GetInfoResponse, error) {
	return unary(ctx, c.runner.GetInfo, &runnerv1.GetInfoRequest{}, options)
}

// Pool tells what the server's workers are doing now. A nil request asks for the defaults. A failure is an [*Error].
func (c *Client) Pool(
	ctx context.Context, request *runnerv1.GetPoolRequest, options ...grpc.CallOption,
) (*runnerv1.GetPoolResponse, error) {
	return unary(ctx, c.pool.GetPool, request, options)
}

// unary makes a call with one answer.
func unary[Request, Response any](
	ctx context.Context,
	call func(context.Context, Request, ...grpc.CallOption) (Response, error),
	request Request,
	options []grpc.CallOption,
) (Response, error) {
	response, _, err := unaryCall(ctx, call, request, options)
	return response, err
}

// unaryCall is unary, and tells whether the server had begun to answer. Headers and trailers are wanted, since they tell
// whether the call may be repeated, and which turn it was.
func unaryCall[Request, Response any](
	ctx context.Context,
	call func(context.Context, Request, ...grpc.CallOption) (Response, error),
	request Request,
	options []grpc.CallOption,
) (response Response, hasBegun bool, err error) {
	var header, trailer metadata.MD
	response, err = call(ctx, request, append(slices.Clip(options), grpc.Header(&header), grpc.Trailer(&trailer))...)
	return response, len(header) > 0, withTurnID(fromError(err, trailer, len(header) > 0), header)
}
