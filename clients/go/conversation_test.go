// What a conversation keeps and sends.

package clauderunner_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	clauderunner "github.com/claude-runner/claude-runner/clients/go"
	"github.com/claude-runner/claude-runner/clients/go/runnerv1"
)

// echoing answers a prompt with itself, upper case, and fails or says nothing when told so.
func echoing() *scriptedServer {
	return &scriptedServer{
		streamChat: func(request *runnerv1.StreamChatRequest, stream eventStream) error {
			switch request.GetPrompt() {
			case "fail":
				if err := sendAll(stream, started(), textDelta("FA", 0, 0), completed("FA")); err != nil {
					return err
				}
				return status.Error(codes.Aborted, "failed")
			case "wait":
				if err := sendAll(stream, started()); err != nil {
					return err
				}
				<-stream.Context().Done()
				return status.FromContextError(stream.Context().Err()).Err()
			case "hush":
				return sendAll(stream, started(), completed(" \n"))
			case "limit":
				return sendAll(stream, started(), textDelta("LIM", 0, 0), result(runnerv1.Outcome_OUTCOME_OUTPUT_LIMIT, "LIM"))
			}
			answer := strings.ToUpper(request.GetPrompt())
			return sendAll(stream, started(), textDelta("void", 0, 0), retracted(0, 0), textDelta(answer, 0, 0), completed(answer))
		},
		chat: func(_ context.Context, request *runnerv1.ChatRequest) (*runnerv1.ChatResponse, error) {
			return &runnerv1.ChatResponse{Text: fmt.Sprint(said(request.GetHistory()))}, nil
		},
	}
}

func said(messages []*runnerv1.HistoryMessage) []string {
	var texts []string
	for i, message := range messages {
		role := []runnerv1.Role{runnerv1.Role_ROLE_USER, runnerv1.Role_ROLE_ASSISTANT}[i%2]
		if message.GetRole() != role {
			texts = append(texts, fmt.Sprintf("not of %s:", role))
		}
		texts = append(texts, message.GetText())
	}
	return texts
}

// ask runs a turn to its end.
func ask(t *testing.T, conversation *clauderunner.Conversation, prompt string) error {
	t.Helper()
	turn, err := conversation.Stream(t.Context(), prompt)
	if err != nil {
		t.Fatal(err)
	}
	_, err = turn.Result()
	return err
}

func TestAConversationSendsWhatWasSaid(t *testing.T) {
	conversation := connect(t, serve(t, echoing())).NewConversation(nil)
	for _, prompt := range []string{"one", "two"} {
		if err := ask(t, conversation, prompt); err != nil {
			t.Fatal(err)
		}
	}
	response, err := conversation.Chat(t.Context(), "what was said?")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "history", response.GetText(), "[one ONE two TWO]")
	equal(t, "kept", conversation.LastTurnKept(), true)
	equalAll(t, "messages", said(conversation.Messages()),
		[]string{"one", "ONE", "two", "TWO", "what was said?", "[one ONE two TWO]"})
}

func TestATurnThatFailedOrWasCancelledOrSaysNothingAddsNothing(t *testing.T) {
	conversation := connect(t, serve(t, echoing())).NewConversation(nil)
	if err := ask(t, conversation, "one"); err != nil {
		t.Fatal(err)
	}
	if err := ask(t, conversation, "fail"); err == nil {
		t.Error("the turn did not fail")
	}
	equal(t, "kept a failed turn", conversation.LastTurnKept(), false)
	turn, err := conversation.Stream(t.Context(), "wait")
	if err != nil {
		t.Fatal(err)
	}
	for range turn.Events() {
		break
	}
	equal(t, "kept a cancelled turn", conversation.LastTurnKept(), false)
	if err := ask(t, conversation, "hush"); err != nil {
		t.Error(err)
	}
	equal(t, "kept an answer without text", conversation.LastTurnKept(), false)
	equalAll(t, "messages", said(conversation.Messages()), []string{"one", "ONE"})
}

func TestAnAnswerThatALimitCutOffIsKept(t *testing.T) {
	conversation := connect(t, serve(t, echoing())).NewConversation(nil)
	if err := ask(t, conversation, "limit"); err != nil {
		t.Fatal(err)
	}
	equalAll(t, "messages", said(conversation.Messages()), []string{"limit", "LIM"})
}

func TestAConversationRunsOneTurnAtATime(t *testing.T) {
	conversation := connect(t, serve(t, echoing())).NewConversation(nil)
	turn, err := conversation.Stream(t.Context(), "wait")
	if err != nil {
		t.Fatal(err)
	}
	_, err = conversation.Stream(t.Context(), "two")
	equal(t, "refused a stream", errors.Is(err, clauderunner.ErrTurnRunning), true)
	_, err = conversation.Chat(t.Context(), "two")
	equal(t, "refused a chat", errors.Is(err, clauderunner.ErrTurnRunning), true)
	turn.Cancel()
	second, err := conversation.Stream(t.Context(), "two")
	if err != nil {
		t.Fatal(err)
	}
	// The end of a turn that was given up changes nothing any more.
	if _, err := turn.Result(); err == nil {
		t.Error("a cancelled turn did not fail")
	}
	_, err = conversation.Stream(t.Context(), "three")
	equal(t, "refused a third", errors.Is(err, clauderunner.ErrTurnRunning), true)
	if _, err := second.Result(); err != nil {
		t.Fatal(err)
	}
	equalAll(t, "messages", said(conversation.Messages()), []string{"two", "TWO"})
	equal(t, "kept", conversation.LastTurnKept(), true)
}

func TestAConversationGoesOnFromAHistoryUnderItsTemplate(t *testing.T) {
	var got *runnerv1.StreamChatRequest
	client := streaming(t, func(request *runnerv1.StreamChatRequest, stream eventStream) error {
		got = request
		return sendAll(stream, started(), completed("fine"))
	})
	first := client.NewConversation(nil)
	if err := ask(t, first, "one"); err != nil {
		t.Fatal(err)
	}
	second := client.NewConversation(&runnerv1.StreamChatRequest{
		Profile: "coder", History: first.Messages(), Content: []*runnerv1.ContentBlock{{}},
	})
	if err := ask(t, second, "two"); err != nil {
		t.Fatal(err)
	}
	equal(t, "profile", got.GetProfile(), "coder")
	equal(t, "prompt", got.GetPrompt(), "two")
	equal(t, "blocks", len(got.GetContent()), 0)
	equalAll(t, "history", said(got.GetHistory()), []string{"one", "fine"})
}

func TestTheOldestTurnsGoFirst(t *testing.T) {
	client := connect(t, serve(t, echoing()))
	history := func(pairs, bytesEach int) *runnerv1.StreamChatRequest {
		request := &runnerv1.StreamChatRequest{}
		for pair := range pairs {
			text := fmt.Sprintf("%d %s", pair, strings.Repeat("x", bytesEach))
			request.History = append(request.History,
				&runnerv1.HistoryMessage{Role: runnerv1.Role_ROLE_USER, Text: text},
				&runnerv1.HistoryMessage{Role: runnerv1.Role_ROLE_ASSISTANT, Text: text})
		}
		return request
	}

	many := client.NewConversation(history(200, 0))
	equal(t, "messages that fit", len(many.Messages()), 400)
	if err := ask(t, many, "more"); err != nil {
		t.Fatal(err)
	}
	equal(t, "messages", len(many.Messages()), 400)
	equal(t, "oldest", many.Messages()[0].GetText(), "1 ")
	equal(t, "newest", many.Messages()[399].GetText(), "MORE")

	large := client.NewConversation(history(4, 600<<10))
	equal(t, "messages of 600 KiB", len(large.Messages()), 6)
	equal(t, "oldest of them", large.Messages()[0].GetText()[:2], "1 ")

	// Alone too large for any history, so that what was said before stays.
	tooLong := client.NewConversation(history(1, 0))
	if err := ask(t, tooLong, strings.Repeat("x", 2<<20+1)); err != nil {
		t.Fatal(err)
	}
	equal(t, "kept", tooLong.LastTurnKept(), false)
	equal(t, "messages before", len(tooLong.Messages()), 2)
}
