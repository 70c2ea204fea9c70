// A turn as it runs: one pass over its events or its text, and what is known of it afterwards.

package clauderunner

import (
	"context"
	"errors"
	"iter"

	"google.golang.org/grpc"

	"github.com/claude-runner/claude-runner/clients/go/runnerv1"
)

// Turn is one request that runs. What it streams is read once, by [Turn.Events] or by [Turn.Text]; [Turn.Result] reads what
// is left. A turn that is not read to its end has to be cancelled: leaving a loop over it does so, and so do [Turn.Cancel]
// and the context.
//
// It is for one goroutine at a time; only Cancel may be called from others.
type Turn struct {
	source eventSource
	ctx    context.Context
	cancel context.CancelFunc

	answer       answerText
	turnID       string
	started      *runnerv1.Started
	result       *runnerv1.TurnResult
	unknownCount int
	hasGap       bool

	isOver bool
	// Why it failed. An *Error, once isOver.
	failure error
	// Told once, when the turn has begun, and as soon as it is over.
	onStart, onEnd func()
}

// Stream begins a turn. The context cancels it and carries its deadline. It fails at once only where nothing can be sent;
// what the server has to say comes with the first event. A failure is an [*Error]. With [Rejoin] among the options it goes
// on when its connection breaks.
func (c *Client) Stream(
	ctx context.Context, request *runnerv1.StreamChatRequest, options ...grpc.CallOption,
) (*Turn, error) {
	return newTurn(ctx, func(ctx context.Context) (eventSource, error) {
		if hasOption[rejoinOption](options) {
			return beginRejoining(ctx, c, request, options)
		}
		return startStream(ctx, c, request, options)
	})
}

// newTurn opens where the turn's events come from, under a context of the turn's own.
func newTurn(ctx context.Context, open func(context.Context) (eventSource, error)) (*Turn, error) {
	ctx, cancel := context.WithCancel(ctx)
	source, err := open(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	return &Turn{source: source, ctx: ctx, cancel: cancel}, nil
}

// StreamPrompt begins a turn for a prompt alone, under the default profile.
func (c *Client) StreamPrompt(ctx context.Context, prompt string, options ...grpc.CallOption) (*Turn, error) {
	return c.Stream(ctx, &runnerv1.StreamChatRequest{Prompt: prompt}, options...)
}

// Events gives the typed events as they come, `started` first and `result` last. Kinds that this client does not know are
// skipped. A turn that fails ends with a nil event and an [*Error].
//
// Leaving the loop cancels the turn, unless its result has come. A second pass goes on where the first one ended: it gives
// nothing, or the failure again.
func (t *Turn) Events() iter.Seq2[*runnerv1.StreamChatResponse, error] {
	return func(yield func(*runnerv1.StreamChatResponse, error) bool) {
		// However the loop is left, by a panic as well.
		defer t.leave()
		for {
			event := t.next()
			if event == nil {
				break
			}
			if !yield(event, nil) {
				return
			}
		}
		if t.failure != nil {
			yield(nil, t.failure)
		}
	}
}

// Text gives the answer's text piece by piece, as it comes. A turn that fails ends with an empty text and an [*Error].
// Leaving the loop cancels the turn, unless its result has come.
//
// What the server retracts later has been given already: [Turn.CollectedText] and the result leave it out. The words of
// sub-agents are no part of the answer.
func (t *Turn) Text() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for event, err := range t.Events() {
			if err != nil {
				yield("", err)
				return
			}
			if delta := event.GetTextDelta(); delta != nil && event.GetParentToolUseId() == "" {
				if !yield(delta.GetText(), nil) {
					return
				}
			}
		}
	}
}

// Result reads what is left of the turn and tells how it ended. Both are there when a turn failed after it had begun: the
// result with what was used and the [*Error]. The result is nil for a turn that was refused, or that was cancelled before
// it ended.
//
// An outcome other than COMPLETED under no error is for the caller to judge: a limit of his was reached, or the model refused.
func (t *Turn) Result() (*runnerv1.TurnResult, error) {
	for t.next() != nil {
		// The answer's text is collected on the way.
	}
	return t.result, t.failure
}

// CollectedText is the answer's text as far as it was read, without what was retracted. Its size is bounded by the turn's
// `max_output_bytes`.
func (t *Turn) CollectedText() string {
	return t.answer.String()
}

// Started tells how the turn began. Nil until its first event was read.
func (t *Turn) Started() *runnerv1.Started {
	return t.started
}

// ID is what the server's logs and spans call the turn. Empty until its first event was read, or until it is over if the
// server's headers came without an event.
func (t *Turn) ID() string {
	if t.turnID == "" {
		return t.source.turnID()
	}
	return t.turnID
}

// HasGap tells whether the server no longer had some of the turn's events, so that the collected text may lack a part of the
// answer. The result has all of it, up to 256 KiB. Only a turn that is rejoined, attached to or repeated can have a gap.
func (t *Turn) HasGap() bool {
	return t.hasGap
}

// UnknownCount is how many events were skipped so far because this client does not know their kind: the server is newer.
func (t *Turn) UnknownCount() int {
	return t.unknownCount
}

// Cancel ends the turn, if it still runs: the server interrupts it and its worker is free again. What is left of it then
// fails with the code Canceled. It may be called at any time, and more than once; `defer turn.Cancel()` is fine.
func (t *Turn) Cancel() {
	t.cancel()
}

// next is the next event of a known kind. Nil: the turn is over.
func (t *Turn) next() *runnerv1.StreamChatResponse {
	for !t.isOver {
		event, err := t.source.next()
		if err != nil {
			t.end(err)
			break
		}
		t.turnID = event.GetTurnId()
		if event.GetEvent() == nil {
			t.unknownCount++
			continue
		}
		switch kind := event.GetEvent().(type) {
		case *runnerv1.StreamChatResponse_Started:
			t.started = kind.Started
			if t.onStart != nil {
				t.onStart()
			}
		case *runnerv1.StreamChatResponse_Result:
			t.result = kind.Result
		case *runnerv1.StreamChatResponse_Gap:
			t.hasGap = true
		default:
			t.answer.add(event)
		}
		return event
	}
	return nil
}

// end takes down why there are no more events.
func (t *Turn) end(err error) {
	t.isOver = true
	var failure *Error
	switch {
	case errors.As(err, &failure):
		if failure.Result == nil {
			failure.Result = t.result
		}
		t.failure = failure
	case t.result == nil:
		t.failure = errNoResult()
	}
	t.source.close()
	t.cancel() // Frees the context.
	if t.onEnd != nil {
		t.onEnd()
	}
}

// leave ends a pass over the events. After the result only the status is left, which the server sends with it.
func (t *Turn) leave() {
	if t.result != nil {
		_, _ = t.Result() // It is there for whoever asks.
		return
	}
	t.cancel()
	t.source.close()
}

// isRunning tells whether the turn may still end well.
func (t *Turn) isRunning() bool {
	return !t.isOver && t.ctx.Err() == nil
}
