// A server in this process that does what a test tells it to, and what tests say to it.

package clauderunner_test

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	clauderunner "github.com/claude-runner/claude-runner/clients/go"
	"github.com/claude-runner/claude-runner/clients/go/runnerv1"
)

type (
	eventStream = grpc.ServerStreamingServer[runnerv1.StreamChatResponse]
	streamChat  func(*runnerv1.StreamChatRequest, eventStream) error
)

// scriptedServer carries out its functions, and keeps what it was sent.
type scriptedServer struct {
	runnerv1.UnimplementedClaudeRunnerServer
	runnerv1.UnimplementedPoolServiceServer
	keptServer
	streamChat streamChat
	chat       func(context.Context, *runnerv1.ChatRequest) (*runnerv1.ChatResponse, error)

	address string
	mutex   sync.Mutex
	headers []metadata.MD
}

func (s *scriptedServer) StreamChat(request *runnerv1.StreamChatRequest, stream eventStream) error {
	s.note(stream.Context())
	return s.streamChat(request, stream)
}

func (s *scriptedServer) Chat(ctx context.Context, request *runnerv1.ChatRequest) (*runnerv1.ChatResponse, error) {
	s.note(ctx)
	return s.chat(ctx, request)
}

func (s *scriptedServer) GetInfo(context.Context, *runnerv1.GetInfoRequest) (*runnerv1.GetInfoResponse, error) {
	return &runnerv1.GetInfoResponse{Tenant: "acme"}, nil
}

func (s *scriptedServer) GetPool(_ context.Context, request *runnerv1.GetPoolRequest) (*runnerv1.GetPoolResponse, error) {
	profiles := []*runnerv1.ProfilePool{{Profile: "default", WaitingCount: request.GetRecentTurnCount()}}
	return &runnerv1.GetPoolResponse{Pool: &runnerv1.PoolState{Profiles: profiles}}, nil
}

func (s *scriptedServer) note(ctx context.Context) {
	header, _ := metadata.FromIncomingContext(ctx)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.headers = append(s.headers, header)
}

// calls are the headers of all calls so far, retries included.
func (s *scriptedServer) calls() []metadata.MD {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.Clone(s.headers)
}

// serve starts a server for the length of the test.
func serve(t *testing.T, server *scriptedServer, options ...grpc.ServerOption) *scriptedServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server.address = listener.Addr().String()
	grpcServer := grpc.NewServer(append(options, grpc.MaxRecvMsgSize(32<<20))...)
	runnerv1.RegisterClaudeRunnerServer(grpcServer, server)
	runnerv1.RegisterPoolServiceServer(grpcServer, server)
	runnerv1.RegisterSessionServiceServer(grpcServer, server)
	runnerv1.RegisterTurnServiceServer(grpcServer, server)
	served := make(chan error, 1)
	go func() { served <- grpcServer.Serve(listener) }()
	t.Cleanup(func() {
		grpcServer.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return server
}

// connect makes a client of the server for the length of the test.
func connect(t *testing.T, server *scriptedServer, options ...clauderunner.Option) *clauderunner.Client {
	t.Helper()
	client, err := clauderunner.New(server.address, append([]clauderunner.Option{clauderunner.WithToken("")}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

// streaming is a client of a server that streams what the function sends.
func streaming(t *testing.T, stream streamChat, options ...clauderunner.Option) *clauderunner.Client {
	t.Helper()
	return connect(t, serve(t, &scriptedServer{streamChat: stream}), options...)
}

// begin starts a turn.
func begin(t *testing.T, client *clauderunner.Client) *clauderunner.Turn {
	t.Helper()
	turn, err := client.StreamPrompt(t.Context(), "Say hello")
	if err != nil {
		t.Fatal(err)
	}
	return turn
}

// sends answers with these events and status OK.
func sends(events ...*runnerv1.StreamChatResponse) streamChat {
	return func(_ *runnerv1.StreamChatRequest, stream eventStream) error { return sendAll(stream, events...) }
}

// sendAll sends events as a server does: numbered, with the turn's id.
func sendAll(stream eventStream, events ...*runnerv1.StreamChatResponse) error {
	for i, event := range events {
		event.Sequence = int32(i + 1)
		event.TurnId = "turn-1"
		if err := stream.Send(event); err != nil {
			return err
		}
	}
	return nil
}

func started() *runnerv1.StreamChatResponse {
	return &runnerv1.StreamChatResponse{Event: &runnerv1.StreamChatResponse_Started{
		Started: &runnerv1.Started{WorkerId: "worker-1"},
	}}
}

func textDelta(text string, messageIndex, blockIndex int32) *runnerv1.StreamChatResponse {
	return &runnerv1.StreamChatResponse{Event: &runnerv1.StreamChatResponse_TextDelta{
		TextDelta: &runnerv1.TextDelta{Text: text, MessageIndex: messageIndex, BlockIndex: blockIndex},
	}}
}

func retracted(messageIndex, fromBlockIndex int32) *runnerv1.StreamChatResponse {
	return &runnerv1.StreamChatResponse{Event: &runnerv1.StreamChatResponse_Retracted{
		Retracted: &runnerv1.Retracted{MessageIndex: messageIndex, FromBlockIndex: fromBlockIndex},
	}}
}

// fromNewerServer is an event of a kind that this client does not know.
func fromNewerServer() *runnerv1.StreamChatResponse {
	return &runnerv1.StreamChatResponse{}
}

func result(outcome runnerv1.Outcome, text string) *runnerv1.StreamChatResponse {
	return &runnerv1.StreamChatResponse{Event: &runnerv1.StreamChatResponse_Result{
		Result: &runnerv1.TurnResult{Outcome: outcome, Text: text, CostUsdMicros: 42},
	}}
}

func completed(text string) *runnerv1.StreamChatResponse {
	return result(runnerv1.Outcome_OUTCOME_COMPLETED, text)
}

// failing is a status with details, as the server sends them.
func failing(t *testing.T, code codes.Code, message string, details ...protoadapt.MessageV1) error {
	t.Helper()
	withDetails, err := status.New(code, message).WithDetails(details...)
	if err != nil {
		t.Fatal(err)
	}
	return withDetails.Err()
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func equalAll[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
