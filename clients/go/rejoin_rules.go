// What a broken stream is, and how long to wait before it is tried again: decisions without a connection.

package clauderunner

import (
	"context"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/claude-runner/claude-runner/clients/go/runnerv1"
)

const (
	firstRejoinDelay = 200 * time.Millisecond
	maxRejoinDelay   = 10 * time.Second
	// How long a turn may give no sign of itself before its stream is given up.
	maxSilence = time.Minute
)

// setback is what a failed attempt means for a turn that may be rejoined.
type setback int

const (
	// What failed is the turn, or there is no use in trying again.
	final setback = iota
	// The way to the server broke, or the server cannot answer for the moment: the turn is elsewhere, and goes on.
	broken
	// The server has never had the call, or has let go of it before it began.
	unknownTurn
)

// setbackOf judges a failure of an attempt. The caller has not ended the call.
func setbackOf(failure *Error) setback {
	switch failure.Reason {
	case runnerv1.ErrorReason_ERROR_REASON_READER_BEHIND,
		runnerv1.ErrorReason_ERROR_REASON_POOL_DRAINING,
		runnerv1.ErrorReason_ERROR_REASON_STORE_UNAVAILABLE:
		return broken
	case runnerv1.ErrorReason_ERROR_REASON_TURN_NOT_FOUND:
		return unknownTurn
	}
	if failure.ReasonName != "" {
		return final
	}
	switch failure.Code {
	// What connections that broke, resets, and proxies that lost the server look like.
	case codes.Unavailable, codes.Internal, codes.Unknown, codes.Canceled:
		return broken
	default:
		return final
	}
}

// patience counts attempts since something of the turn came, and the time since its last sign. It begins with newPatience, or
// as the zero value with heard.
type patience struct {
	attempts int
	lastSign time.Time
}

func newPatience(now time.Time) patience {
	return patience{lastSign: now}
}

// heard notes a sign of the turn that brings nothing new: it is waited for longer, and not tried faster.
func (p *patience) heard(now time.Time) {
	p.lastSign = now
}

// sign notes that something of the turn has come.
func (p *patience) sign(now time.Time) {
	p.attempts, p.lastSign = 0, now
}

// delay is how long to wait before the next attempt, the first of which is made at once; false: it is time to give up.
func (p *patience) delay(now time.Time) (time.Duration, bool) {
	if now.Sub(p.lastSign) >= maxSilence {
		return 0, false
	}
	p.attempts++
	if p.attempts == 1 {
		return 0, true
	}
	longest := min(firstRejoinDelay<<min(p.attempts-2, 16), maxRejoinDelay)
	// Jitter, so that those whom one failure has cut off do not come back as one.
	return longest/2 + rand.N(longest/2), true
}

// wait waits, unless the context ends before.
func wait(ctx context.Context, delay time.Duration) {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
