// The request of a conversation's Chat is the one of its Stream.

package clauderunner

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/claude-runner/claude-runner/clients/go/runnerv1"
)

func TestCollectedLeavesNothingOutThatChatHas(t *testing.T) {
	request := &runnerv1.StreamChatRequest{
		Profile:          "coder",
		Prompt:           "Say hello",
		Content:          []*runnerv1.ContentBlock{{Block: &runnerv1.ContentBlock_Text{Text: "Say hello"}}},
		History:          []*runnerv1.HistoryMessage{{Text: "Hello"}},
		SystemPrompt:     proto.String("Be brief."),
		Model:            "claude-opus-5-5",
		Effort:           runnerv1.Effort_EFFORT_LOW,
		OutputSchemaJson: "{}",
		Limits:           &runnerv1.TurnLimits{MaxOutputBytes: proto.Int64(1)},
		Labels:           map[string]string{"job": "7"},
		Session:          &runnerv1.SessionRef{Id: "trip"},
		BusyPolicy:       runnerv1.BusyPolicy_BUSY_POLICY_QUEUE,
		OnDisconnect:     runnerv1.OnDisconnect_ON_DISCONNECT_CONTINUE,
		RequestId:        "request-1",
	}
	chat := collected(request).ProtoReflect()
	fields := chat.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		source := request.ProtoReflect().Descriptor().Fields().ByName(field.Name())
		if !request.ProtoReflect().Has(source) {
			t.Errorf("this test sets no %s", field.Name())
		} else if !chat.Get(field).Equal(request.ProtoReflect().Get(source)) {
			t.Errorf("%s is not taken over", field.Name())
		}
	}
}
