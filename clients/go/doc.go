// Package clauderunner asks Claude Code through a claude-runner server and streams back typed events.
//
//	client, err := clauderunner.New("")
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	turn, err := client.StreamPrompt(ctx, "Say hello")
//	if err != nil {
//		return err
//	}
//	for text, err := range turn.Text() {
//		if err != nil {
//			return err
//		}
//		fmt.Print(text)
//	}
//
// A [Client] is one connection to a server. [Client.Stream] begins a [Turn], which is iterated once: by its events
// ([Turn.Events]) or by its text ([Turn.Text]); leaving the loop early cancels it. [Client.Chat] is a whole turn in one
// call, and a [Conversation] goes on over several. A [Session] is a conversation that the server keeps. With [Rejoin] a turn
// outlives its connection.
//
// Requests and events are the generated types of package runnerv1. This package adds what every caller would write
// himself: where the token goes, retry as the server asks for it, the answer's text without what was retracted, and one
// type for what went wrong ([Error]).
//
// Contexts cancel calls and carry their deadlines. A call without a deadline gets the server's default, 10 minutes.
package clauderunner
