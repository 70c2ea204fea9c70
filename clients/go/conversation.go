// A conversation: what was said is kept here and goes along with each prompt, so that the server keeps nothing.

package clauderunner

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/claude-runner/claude-runner/clients/go/runnerv1"
)

// What the server takes of a history.
const (
	maxHistoryMessages = 400
	maxHistoryBytes    = 4 << 20
)

// ErrTurnRunning is what a conversation answers while one of its turns still runs: read it to its end, or cancel it.
var ErrTurnRunning = errors.New("clauderunner: a turn of this conversation still runs")

// Conversation goes on over several turns. It keeps prompts and answers and hands them to the server as history.
//
// A turn becomes part of it when it ended without an error, whatever its outcome: a failed or cancelled one adds nothing.
// Neither does an answer that cannot stand in a history, because it has no text or is too long; see
// [Conversation.LastTurnKept]. At most 400 messages and 4 MiB of text are kept, the oldest turns go first.
//
// It is for one goroutine at a time, and for one turn at a time.
type Conversation struct {
	client   *Client
	template *runnerv1.StreamChatRequest
	messages []*runnerv1.HistoryMessage
	running  *Turn
	lastKept bool
}

// NewConversation begins a conversation. The template says what is the same for all of its turns: profile, model, system
// prompt, limits. Its history, if it has one, is where the conversation goes on from; prompt and content are not used. Nil
// means the defaults.
func (c *Client) NewConversation(template *runnerv1.StreamChatRequest) *Conversation {
	conversation := &Conversation{client: c, template: &runnerv1.StreamChatRequest{}}
	if template != nil {
		conversation.template = proto.CloneOf(template)
	}
	conversation.messages = withinLimits(conversation.template.GetHistory())
	conversation.template.Content = nil
	conversation.template.History = nil
	return conversation
}

// Stream begins the conversation's next turn, as [Client.Stream] does. While another one runs it fails with
// [ErrTurnRunning].
func (c *Conversation) Stream(ctx context.Context, prompt string, options ...grpc.CallOption) (*Turn, error) {
	if c.isBusy() {
		return nil, ErrTurnRunning
	}
	turn, err := c.client.Stream(ctx, c.begin(prompt), options...)
	if err != nil {
		return nil, err
	}
	c.running = turn
	turn.onEnd = func() {
		// A turn that was given up may be read to its end later, behind the back of the one that followed it.
		if c.running != turn {
			return
		}
		c.running = nil
		if turn.failure != nil {
			return
		}
		text := turn.CollectedText()
		if turn.HasGap() {
			text = "" // the result has what the gap has swallowed
		}
		c.keep(prompt, firstText(text, turn.result.GetText(), turn.result.GetStructuredOutputJson()))
	}
	return turn, nil
}

// Chat runs the conversation's next turn in one call, as [Client.Chat] does. While another one runs it fails with
// [ErrTurnRunning].
func (c *Conversation) Chat(
	ctx context.Context, prompt string, options ...grpc.CallOption,
) (*runnerv1.ChatResponse, error) {
	if c.isBusy() {
		return nil, ErrTurnRunning
	}
	response, err := c.client.Chat(ctx, collected(c.begin(prompt)), options...)
	if err != nil {
		return nil, err
	}
	c.keep(prompt, firstText(response.GetText(), response.GetResult().GetStructuredOutputJson()))
	return response, nil
}

// Messages is a copy of what the conversation holds, oldest first: to be kept, and to be gone on from as the history of
// another conversation's template.
func (c *Conversation) Messages() []*runnerv1.HistoryMessage {
	messages := make([]*runnerv1.HistoryMessage, len(c.messages))
	for i, message := range c.messages {
		messages[i] = proto.CloneOf(message)
	}
	return messages
}

// LastTurnKept tells whether the last turn is part of the conversation, so that the next prompt builds on it. It is false
// while a turn runs, after one that failed, and after an answer that cannot stand in a history: one without text, or
// of more than 4 MiB together with its prompt. The conversation then goes on from the turn before.
func (c *Conversation) LastTurnKept() bool {
	return c.lastKept
}

func (c *Conversation) isBusy() bool {
	return c.running != nil && c.running.isRunning()
}

// begin makes the next turn's request. The messages in it are never written to again.
func (c *Conversation) begin(prompt string) *runnerv1.StreamChatRequest {
	c.running, c.lastKept = nil, false
	request := proto.CloneOf(c.template)
	request.Prompt = prompt
	request.History = c.messages
	return request
}

func (c *Conversation) keep(prompt, answer string) {
	if isBlank(answer) || len(prompt)+len(answer) > maxHistoryBytes {
		return
	}
	c.messages = withinLimits(append(slices.Clip(c.messages),
		&runnerv1.HistoryMessage{Role: runnerv1.Role_ROLE_USER, Text: prompt},
		&runnerv1.HistoryMessage{Role: runnerv1.Role_ROLE_ASSISTANT, Text: answer}))
	c.lastKept = true
}

// withinLimits drops the oldest turns until the rest may be sent.
func withinLimits(messages []*runnerv1.HistoryMessage) []*runnerv1.HistoryMessage {
	bytes := 0
	for _, message := range messages {
		bytes += len(message.GetText())
	}
	for len(messages) >= 2 && (len(messages) > maxHistoryMessages || bytes > maxHistoryBytes) {
		bytes -= len(messages[0].GetText()) + len(messages[1].GetText())
		messages = messages[2:]
	}
	return messages
}

// collected is the same request for Chat, which has no detail.
func collected(request *runnerv1.StreamChatRequest) *runnerv1.ChatRequest {
	return &runnerv1.ChatRequest{
		Profile:          request.Profile,
		Prompt:           request.Prompt,
		Content:          request.Content,
		History:          request.History,
		SystemPrompt:     request.SystemPrompt,
		Model:            request.Model,
		Effort:           request.Effort,
		OutputSchemaJson: request.OutputSchemaJson,
		Limits:           request.Limits,
		Labels:           request.Labels,
		Session:          request.Session,
		BusyPolicy:       request.BusyPolicy,
		OnDisconnect:     request.OnDisconnect,
		RequestId:        request.RequestId,
	}
}

// firstText is the first of the texts that says anything.
func firstText(texts ...string) string {
	for _, text := range texts {
		if !isBlank(text) {
			return text
		}
	}
	return ""
}

// isBlank tells whether the server takes the text for nothing but white space. A byte order mark is some to it.
func isBlank(text string) bool {
	return strings.TrimFunc(text, func(char rune) bool { return unicode.IsSpace(char) || char == '\uFEFF' }) == ""
}
