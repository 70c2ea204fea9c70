// The commands that run turns.

package main

import (
	"context"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	clauderunner "github.com/claude-runner/claude-runner/clients/go"
	"github.com/claude-runner/claude-runner/clients/go/runnerv1"
)

func doStream(ctx context.Context, client *openClient, line *command) (any, error) {
	request, err := parsed(line, &runnerv1.StreamChatRequest{})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if line.TimeoutMs > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(line.TimeoutMs)*time.Millisecond)
		defer cancel()
	}
	for name, value := range line.Headers {
		ctx = metadata.AppendToOutgoingContext(ctx, name, value)
	}
	ctx, record := withAttempts(ctx)

	var options []grpc.CallOption
	if line.Rejoin {
		options = append(options, clauderunner.Rejoin())
	}
	turn, callErr := client.Stream(ctx, request, options...)
	answer, err := watched(turn, callErr, line, cancel)
	if err != nil {
		return nil, err
	}
	answer.AttemptCount = record.count.Load()
	if traceID := record.traceID.Load(); traceID != nil {
		answer.TraceID = *traceID
	}
	return answer, client.flush(context.WithoutCancel(ctx))
}

func doAttach(ctx context.Context, client *openClient, line *command) (any, error) {
	request := &runnerv1.AttachTurnRequest{AfterSequence: line.AfterSequence}
	if line.TurnID != "" {
		request.Turn = &runnerv1.AttachTurnRequest_TurnId{TurnId: line.TurnID}
	} else {
		request.Turn = &runnerv1.AttachTurnRequest_RequestId{RequestId: line.RequestID}
	}
	turn, callErr := client.Attach(ctx, request)
	return watched(turn, callErr, line, func() {})
}

// watched tells all that was seen of a turn.
func watched(
	turn *clauderunner.Turn, callErr error, line *command, cancel context.CancelFunc,
) (answer streamAnswer, err error) {
	answer = streamAnswer{GapFree: true, textSeen: seen("")}
	if callErr == nil {
		callErr = answer.watch(turn, line, cancel)
		answer.EventCount += turn.UnknownCount()
		answer.UnknownCount = turn.UnknownCount()
		answer.textSeen = seen(turn.CollectedText())
		answer.TurnID = turn.ID()
		if answer.Started, err = messageJSON(turn.Started()); err != nil {
			return answer, err
		}
		result, _ := turn.Result() // Its failure was told by the events.
		if answer.Result, err = messageJSON(result); err != nil {
			return answer, err
		}
	}
	answer.Error, err = failure(callErr)
	return answer, err
}

// watch reads the turn to its end, unless the command says to cancel it or to leave it before.
func (a *streamAnswer) watch(turn *clauderunner.Turn, line *command, cancel context.CancelFunc) error {
	textDeltas, heartbeats := 0, 0
	for event, err := range turn.Events() {
		if err != nil {
			return err
		}
		a.EventCount++
		if event.GetHeartbeat() != nil {
			heartbeats++ // Repeats the number before it.
		}
		if int(event.GetSequence()-line.AfterSequence) != a.EventCount+turn.UnknownCount()-heartbeats {
			a.GapFree = false
		}
		if missing := event.GetGap(); missing != nil {
			a.Gaps = append(a.Gaps, gap{missing.GetFirstSequence(), missing.GetLastSequence()})
		}
		kind := kindOf(event)
		a.Kinds.add(kind)
		if a.FirstKind == "" {
			a.FirstKind = kind
		}
		a.LastKind = kind
		if event.GetTextDelta() == nil {
			continue
		}
		textDeltas++
		if textDeltas == line.CancelAfterTextDeltas {
			cancel()
		}
		if textDeltas == line.LeaveAfterTextDeltas {
			break
		}
	}
	return nil
}

// kindOf is the kind as the contract spells it.
func kindOf(event *runnerv1.StreamChatResponse) string {
	message := event.ProtoReflect()
	return string(message.WhichOneof(message.Descriptor().Oneofs().ByName("event")).Name())
}

func doText(ctx context.Context, client *openClient, line *command) (any, error) {
	request, err := parsed(line, &runnerv1.StreamChatRequest{})
	if err != nil {
		return nil, err
	}
	var answer textAnswer
	var text strings.Builder
	turn, callErr := client.Stream(ctx, request)
	if callErr == nil {
		for piece, err := range turn.Text() {
			if callErr = err; err != nil {
				break
			}
			answer.PieceCount++
			text.WriteString(piece)
		}
	}
	answer.textSeen = seen(text.String())
	answer.Error, err = failure(callErr)
	return answer, err
}

func doChat(ctx context.Context, client *openClient, line *command) (any, error) {
	request, err := parsed(line, &runnerv1.ChatRequest{})
	if err != nil {
		return nil, err
	}
	var options []grpc.CallOption
	if line.Idempotent {
		options = append(options, clauderunner.Idempotent())
	}
	return response(client.Chat(ctx, request, options...))
}

func doConversation(ctx context.Context, client *openClient, line *command) (any, error) {
	answer := conversationAnswer{Turns: []conversationTurn{}}
	conversation := client.NewConversation(nil)
	for _, prompt := range line.Prompts {
		turn, callErr := conversation.Stream(ctx, prompt)
		if callErr == nil {
			_, callErr = turn.Result()
		}
		if callErr != nil {
			var err error
			answer.Error, err = failure(callErr)
			return answer, err
		}
		answer.Turns = append(answer.Turns, conversationTurn{
			Text:               turn.CollectedText(),
			SeededMessageCount: turn.Started().GetSeededMessageCount(),
		})
	}
	return answer, nil
}

func doBench(ctx context.Context, client *openClient, line *command) (any, error) {
	request, err := parsed(line, &runnerv1.StreamChatRequest{})
	if err != nil {
		return nil, err
	}
	answer := benchAnswer{FirstTextMs: []float64{}, TotalMs: []float64{}, EventCounts: []int{}}
	for number := range line.WarmUpCount + line.TurnCount {
		firstText, total, eventCount, callErr := measure(ctx, client.Client, request)
		if callErr != nil {
			answer.Error, err = failure(callErr)
			return answer, err
		}
		if number >= line.WarmUpCount {
			answer.FirstTextMs = append(answer.FirstTextMs, milliseconds(firstText))
			answer.TotalMs = append(answer.TotalMs, milliseconds(total))
			answer.EventCounts = append(answer.EventCounts, eventCount)
		}
	}
	return answer, nil
}

// measure runs a turn. Spans are from the call on; firstText is 0 for a turn without text.
func measure(
	ctx context.Context, client *clauderunner.Client, request *runnerv1.StreamChatRequest,
) (firstText, total time.Duration, eventCount int, err error) {
	start := time.Now()
	turn, err := client.Stream(ctx, request)
	if err != nil {
		return 0, 0, 0, err
	}
	for event, err := range turn.Events() {
		if err != nil {
			return 0, 0, 0, err
		}
		eventCount++
		if firstText == 0 && event.GetTextDelta() != nil {
			firstText = time.Since(start)
		}
	}
	return firstText, time.Since(start), eventCount, nil
}
