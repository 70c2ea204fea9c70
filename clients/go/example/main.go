// Example streams a turn, cancels one, goes on with a conversation and with a session, rejoins a turn, and looks at why a
// request was refused.
//
//	CLAUDE_RUNNER_TOKEN=… go run github.com/claude-runner/claude-runner/clients/go/example
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	clauderunner "github.com/claude-runner/claude-runner/clients/go"
	"github.com/claude-runner/claude-runner/clients/go/runnerv1"
)

func main() {
	log.SetFlags(0)
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	// The address and the token are those in CLAUDE_RUNNER_ADDRESS and CLAUDE_RUNNER_TOKEN.
	client, err := clauderunner.New("")
	if err != nil {
		return err
	}
	defer client.Close()

	steps := []struct {
		title string
		run   func(context.Context, *clauderunner.Client) error
	}{
		{"the answer's text, as it comes", streamText},
		{"typed events", streamEvents},
		{"a turn that is cancelled", cancel},
		{"a conversation", converse},
		{"a session", continueSession},
		{"a stream that rejoins", rejoin},
		{"a request that breaks rules", breakRules},
	}
	for _, step := range steps {
		fmt.Println("==", step.title)
		if err := step.run(ctx, client); err != nil {
			return err
		}
	}
	return nil
}

func streamText(ctx context.Context, client *clauderunner.Client) error {
	turn, err := client.StreamPrompt(ctx, "Say hello")
	if err != nil {
		return err
	}
	for text, err := range turn.Text() {
		if err != nil {
			return err
		}
		fmt.Print(text)
	}
	result, err := turn.Result()
	if err != nil {
		return err
	}
	fmt.Printf("\n%s, %d µ$\n", result.GetOutcome(), result.GetCostUsdMicros())
	return nil
}

func streamEvents(ctx context.Context, client *clauderunner.Client) error {
	turn, err := client.Stream(ctx, &runnerv1.StreamChatRequest{
		Prompt: "Say hello",
		Limits: &runnerv1.TurnLimits{MaxCostUsdMicros: new(int64(50_000))},
		Labels: map[string]string{"job": "example"},
	})
	if err != nil {
		return err
	}
	for event, err := range turn.Events() {
		if err != nil {
			return err
		}
		switch kind := event.GetEvent().(type) {
		case *runnerv1.StreamChatResponse_Started:
			fmt.Println("worker", kind.Started.GetWorkerId(), "asks", kind.Started.GetModel())
		case *runnerv1.StreamChatResponse_ToolUse:
			fmt.Println("tool", kind.ToolUse.GetToolName(), kind.ToolUse.GetInputJson())
		case *runnerv1.StreamChatResponse_Retracted:
			fmt.Println("the text so far is void:", kind.Retracted.GetCause())
		case *runnerv1.StreamChatResponse_Result:
			fmt.Println("first text after", kind.Result.GetStages().GetArrivalToFirstText().AsDuration())
		}
	}
	fmt.Println(turn.CollectedText())
	return nil
}

func cancel(ctx context.Context, client *clauderunner.Client) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	turn, err := client.StreamPrompt(ctx, "Count to a thousand")
	if err != nil {
		return err
	}
	for text, err := range turn.Text() {
		if err != nil {
			return err
		}
		fmt.Printf("%q is enough\n", text)
		break // Interrupts the turn; its worker is free again.
	}
	return nil
}

func converse(ctx context.Context, client *clauderunner.Client) error {
	conversation := client.NewConversation(nil)
	for _, prompt := range []string{"My name is Ada.", "What is my name?"} {
		turn, err := conversation.Stream(ctx, prompt)
		if err != nil {
			return err
		}
		if _, err := turn.Result(); err != nil {
			return err
		}
		fmt.Printf("%s\n  %s (%d messages before)\n", prompt, turn.CollectedText(), turn.Started().GetSeededMessageCount())
	}
	return nil
}

func continueSession(ctx context.Context, client *clauderunner.Client) error {
	session := client.Session("trip-to-lisbon", &runnerv1.StreamChatRequest{
		BusyPolicy: runnerv1.BusyPolicy_BUSY_POLICY_QUEUE,
		Session:    &runnerv1.SessionRef{Title: "A trip to Lisbon"},
	})
	for _, prompt := range []string{"My name is Ada.", "What is my name?"} {
		answer, err := session.Chat(ctx, prompt, clauderunner.Idempotent())
		if err != nil {
			return err
		}
		fmt.Println(answer.GetText())
	}
	for turn, err := range session.Turns(ctx) {
		if err != nil {
			return err
		}
		fmt.Println(turn.GetAcceptTime().AsTime(), turn.GetPrompt()[0].GetText())
	}
	_, err := session.Delete(ctx, false)
	return err
}

func rejoin(ctx context.Context, client *clauderunner.Client) error {
	turn, err := client.StreamPrompt(ctx, "Write a long report", clauderunner.Rejoin())
	if err != nil {
		return err
	}
	for text, err := range turn.Text() {
		if err != nil {
			return err
		}
		fmt.Print(text)
	}
	if turn.HasGap() {
		fmt.Println("\na part of the text is missing above")
	}

	// Any program of the same tenant can read it again, and stop it while it runs.
	again, err := client.Attach(ctx, &runnerv1.AttachTurnRequest{
		Turn: &runnerv1.AttachTurnRequest_TurnId{TurnId: turn.ID()},
	})
	if err != nil {
		return err
	}
	result, err := again.Result()
	if err != nil {
		return err
	}
	fmt.Println("\nit cost", result.GetCostUsdMicros(), "µ$")
	_, err = client.InterruptTurn(ctx, turn.ID())
	return err
}

func breakRules(ctx context.Context, client *clauderunner.Client) error {
	_, err := client.Chat(ctx, &runnerv1.ChatRequest{Profile: "No Such Profile!", Prompt: " "})
	var failure *clauderunner.Error
	if !errors.As(err, &failure) {
		return fmt.Errorf("the request was not refused: %w", err)
	}
	fmt.Println(failure.ReasonName, failure.Code)
	for _, violation := range failure.Violations {
		fmt.Printf("  %s: %s\n", violation.Field, violation.Description)
	}
	if failure.MayRetry {
		fmt.Println("  worth another try in", failure.RetryDelay)
	}
	return nil
}
