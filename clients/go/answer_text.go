// The text of a turn's answer, put together from its deltas.

package clauderunner

import (
	"slices"
	"strings"

	"github.com/claude-runner/claude-runner/clients/go/runnerv1"
)

// answerText is all text deltas of the main conversation without those that were retracted. It is as large as the answer,
// which the turn's limits bound.
type answerText struct {
	blocks []textBlock
}

// textBlock is the text of one block, or of a part of it when other blocks came in between.
type textBlock struct {
	messageIndex, blockIndex int32
	text                     []byte
}

func (a *answerText) add(event *runnerv1.StreamChatResponse) {
	if event.GetParentToolUseId() != "" {
		return // A sub-agent's words are no part of the answer.
	}
	if delta := event.GetTextDelta(); delta != nil {
		a.append(delta)
	} else if retracted := event.GetRetracted(); retracted != nil {
		a.retract(retracted)
	}
}

func (a *answerText) append(delta *runnerv1.TextDelta) {
	last := len(a.blocks) - 1
	if last < 0 || a.blocks[last].messageIndex != delta.GetMessageIndex() ||
		a.blocks[last].blockIndex != delta.GetBlockIndex() {
		a.blocks = append(a.blocks, textBlock{messageIndex: delta.GetMessageIndex(), blockIndex: delta.GetBlockIndex()})
		last++
	}
	a.blocks[last].text = append(a.blocks[last].text, delta.GetText()...)
}

// retract drops what came so far of a message from a block on. What comes later under the same positions counts.
func (a *answerText) retract(void *runnerv1.Retracted) {
	a.blocks = slices.DeleteFunc(a.blocks, func(block textBlock) bool {
		return block.messageIndex == void.GetMessageIndex() && block.blockIndex >= void.GetFromBlockIndex()
	})
}

func (a *answerText) String() string {
	var all strings.Builder
	for _, block := range a.blocks {
		all.Write(block.text)
	}
	return all.String()
}
