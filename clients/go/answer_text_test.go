// Which text remains when the server takes some of it back.

package clauderunner

import (
	"testing"

	"github.com/claude-runner/claude-runner/clients/go/runnerv1"
)

func TestARetractionMakesTheTextOfItsMessageVoidFromItsBlockOn(t *testing.T) {
	delta := func(text string, messageIndex, blockIndex int32) *runnerv1.StreamChatResponse {
		return &runnerv1.StreamChatResponse{Event: &runnerv1.StreamChatResponse_TextDelta{
			TextDelta: &runnerv1.TextDelta{Text: text, MessageIndex: messageIndex, BlockIndex: blockIndex},
		}}
	}
	retraction := func(messageIndex, fromBlockIndex int32) *runnerv1.StreamChatResponse {
		return &runnerv1.StreamChatResponse{Event: &runnerv1.StreamChatResponse_Retracted{
			Retracted: &runnerv1.Retracted{MessageIndex: messageIndex, FromBlockIndex: fromBlockIndex},
		}}
	}
	ofSubAgent := func(event *runnerv1.StreamChatResponse) *runnerv1.StreamChatResponse {
		event.ParentToolUseId = "tool-1"
		return event
	}
	cases := map[string]struct {
		events []*runnerv1.StreamChatResponse
		want   string
	}{
		"nothing was said":      {nil, ""},
		"nothing was retracted": {[]*runnerv1.StreamChatResponse{delta("a", 0, 0), delta("b", 0, 0), delta("c", 1, 2)}, "abc"},
		"a whole message":       {[]*runnerv1.StreamChatResponse{delta("a", 0, 0), delta("b", 0, 1), retraction(0, 0)}, ""},
		"its last blocks":       {[]*runnerv1.StreamChatResponse{delta("a", 0, 0), delta("b", 0, 1), delta("c", 0, 2), retraction(0, 1)}, "a"},
		"an earlier message":    {[]*runnerv1.StreamChatResponse{delta("a", 0, 0), delta("b", 1, 0), retraction(0, 0)}, "b"},
		"an answer anew":        {[]*runnerv1.StreamChatResponse{delta("a", 0, 0), retraction(0, 0), delta("b", 0, 0)}, "b"},
		"blocks in turns": {[]*runnerv1.StreamChatResponse{
			delta("a", 0, 0), delta("b", 0, 1), delta("c", 0, 0), retraction(0, 1),
		}, "ac"},
		"of a sub-agent": {[]*runnerv1.StreamChatResponse{delta("a", 0, 0), ofSubAgent(delta("b", 0, 0)), ofSubAgent(retraction(0, 0))}, "a"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			var answer answerText
			for _, event := range test.events {
				answer.add(event)
			}
			if got := answer.String(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
