// When a broken stream is tried again, and when it is over.

package clauderunner

import (
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// failed is a failure with a reason of the server's, or without one.
func failed(t *testing.T, code codes.Code, reason string) *Error {
	t.Helper()
	from := status.New(code, "scripted")
	if reason != "" {
		withReason, err := from.WithDetails(&errdetails.ErrorInfo{Domain: errorDomain, Reason: reason})
		if err != nil {
			t.Fatal(err)
		}
		from = withReason
	}
	return newError(from, nil, true)
}

func TestOnlyABrokenWayAndABusyServerAreWorthAnotherAttempt(t *testing.T) {
	cases := []struct {
		code   codes.Code
		reason string
		want   setback
	}{
		{codes.Unavailable, "", broken},
		{codes.Internal, "", broken},
		{codes.Unknown, "", broken},
		{codes.Canceled, "", broken},
		{codes.Unauthenticated, "", final},
		{codes.ResourceExhausted, "", final},
		{codes.DeadlineExceeded, "", final},
		{codes.Unavailable, "POOL_DRAINING", broken},
		{codes.Unavailable, "STORE_UNAVAILABLE", broken},
		{codes.Aborted, "READER_BEHIND", broken},
		{codes.NotFound, "TURN_NOT_FOUND", unknownTurn},
		{codes.Unavailable, "QUEUE_FULL", final},
		{codes.Unavailable, "UPSTREAM_5XX", final},
		{codes.Internal, "INTERNAL", final},
		{codes.Unavailable, "A_REASON_OF_TOMORROW", final},
	}
	for _, test := range cases {
		if got := setbackOf(failed(t, test.code, test.reason)); got != test.want {
			t.Errorf("%s %s: got %d, want %d", test.code, test.reason, got, test.want)
		}
	}
}

func TestTheFirstAttemptIsMadeAtOnceAndTheOthersFurtherAndFurtherApart(t *testing.T) {
	now := time.Unix(1_000, 0)
	patience := newPatience(now)
	for number, longest := range []time.Duration{0, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000} {
		longest *= time.Millisecond
		delay, isPatient := patience.delay(now)
		if !isPatient || delay < longest/2 || delay > longest {
			t.Errorf("attempt %d: got %v, %v, want at most %v", number+1, delay, isPatient, longest)
		}
	}
}

func TestAStreamIsGivenUpAfterAMinuteWithoutASignOfTheTurn(t *testing.T) {
	begin := time.Unix(1_000, 0)
	patience := newPatience(begin)
	patience.sign(begin.Add(30 * time.Second))
	if delay, isPatient := patience.delay(begin.Add(89 * time.Second)); !isPatient || delay != 0 {
		t.Errorf("before: got %v, %v", delay, isPatient)
	}
	if _, isPatient := patience.delay(begin.Add(90 * time.Second)); isPatient {
		t.Error("after a minute: it is still tried again")
	}
}

func TestHeadersOfACallAreASignOfItsTurnAndNoReasonToTryFaster(t *testing.T) {
	begin := time.Unix(1_000, 0)
	patience := newPatience(begin)
	for range 4 {
		patience.delay(begin)
	}
	patience.heard(begin.Add(50 * time.Second))
	delay, isPatient := patience.delay(begin.Add(100 * time.Second))
	if !isPatient || delay < 800*time.Millisecond {
		t.Errorf("got %v, %v", delay, isPatient)
	}
}
