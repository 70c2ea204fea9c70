// What a call failed with: one type for everything.

package clauderunner

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/claude-runner/claude-runner/clients/go/runnerv1"
)

// The domain of every reason that a claude-runner server gives. A proxy on the way has others.
const errorDomain = "claude-runner"

// When the server wants to see the call again, in milliseconds; negative: never.
const pushbackKey = "grpc-retry-pushback-ms"

// Error is a failed call. Every call of this package fails with a *Error:
//
//	var failure *clauderunner.Error
//	if errors.As(err, &failure) && failure.Reason == runnerv1.ErrorReason_ERROR_REASON_QUEUE_FULL {
//
// A turn that ended under OK with an outcome other than COMPLETED, such as a limit or a refusal, is no error: see
// [Turn.Result].
//
// errors.Is finds context.Canceled and context.DeadlineExceeded in errors with these codes.
type Error struct {
	// Code is gRPC's status code.
	Code codes.Code
	// Reason says why, out of the closed list in error.proto. Unspecified when the server gave none, as when it was not
	// reached at all, and when it gave one that this client does not know.
	Reason runnerv1.ErrorReason
	// ReasonName is the reason as the server wrote it, such as `QUEUE_FULL`. Empty when it gave none.
	ReasonName string
	// Message says what happened, in words for a person. They may change.
	Message string
	// Facts has every number of the message, the unit in the key: `waitedMs`. Nil when there are none.
	Facts map[string]string
	// RetryDelay is when the server suggests another try. 0 when it suggests none.
	RetryDelay time.Duration
	// MayRetry tells whether the call may be made again as it was: it was UNAVAILABLE, nothing of the response was seen, not
	// even its headers, and the server has not said never to. The client's own retry has been at it already, unless that is
	// off.
	MayRetry bool
	// Violations are the rules that the request breaks. Nil when it breaks none.
	Violations []Violation
	// Result is how the turn ended, when it had begun: what it used and cost up to its failure. Else nil.
	Result *runnerv1.TurnResult
	// TurnID names the turn, for [Client.GetTurn] and [Client.Attach]. Empty when the server has not said it.
	TurnID string

	status *status.Status
}

// Violation is a rule that a request breaks.
type Violation struct {
	// Field is the path of the field in the request, such as `history[2].text`.
	Field string
	// Description says what is wrong with it.
	Description string
}

// Error is the reason, if there is one, the code and the message.
func (e *Error) Error() string {
	if e.ReasonName == "" {
		return fmt.Sprintf("clauderunner: %s: %s", e.Code, e.Message)
	}
	return fmt.Sprintf("clauderunner: %s (%s): %s", e.ReasonName, e.Code, e.Message)
}

// GRPCStatus is the status as it came, for those who want other details of it. status.FromError finds it.
func (e *Error) GRPCStatus() *status.Status {
	return e.status
}

// Is tells whether target is what Go calls the code.
func (e *Error) Is(target error) bool {
	switch target {
	case context.Canceled:
		return e.Code == codes.Canceled
	case context.DeadlineExceeded:
		return e.Code == codes.DeadlineExceeded
	default:
		return false
	}
}

// FromError makes an [*Error] of what a call on [Client.Conn] failed with; nil stays nil. The trailer is the call's, which
// says whether the server wants to see it again; nil when it is not known. Whether something of the response was seen is
// for the caller to know.
func FromError(err error, trailer metadata.MD) error {
	return fromError(err, trailer, false)
}

func fromError(err error, trailer metadata.MD, hasBegun bool) error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	return newError(statusOf(err), trailer, hasBegun)
}

// statusOf is the status in any error that grpc-go returns. When it gave up retrying, the status is the last attempt's, in
// a wrapping that would put other words before the server's.
func statusOf(err error) *status.Status {
	var carrier interface{ GRPCStatus() *status.Status }
	if errors.As(err, &carrier) && carrier.GRPCStatus() != nil {
		return carrier.GRPCStatus()
	}
	return status.FromContextError(err)
}

// newError reads a status. hasBegun: something of the response was seen, if only its headers, which no refusal has.
func newError(from *status.Status, trailer metadata.MD, hasBegun bool) *Error {
	failure := &Error{
		Code:     from.Code(),
		Message:  from.Message(),
		MayRetry: from.Code() == codes.Unavailable && !hasBegun && allowsRetry(trailer),
		status:   from,
	}
	for _, detail := range from.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if detail.GetDomain() == errorDomain {
				failure.ReasonName = detail.GetReason()
				failure.Reason = runnerv1.ErrorReason(runnerv1.ErrorReason_value["ERROR_REASON_"+detail.GetReason()])
				failure.Facts = detail.GetMetadata()
				failure.TurnID = failure.Facts["turnId"]
			}
		case *errdetails.RetryInfo:
			failure.RetryDelay = detail.GetRetryDelay().AsDuration()
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				failure.Violations = append(failure.Violations,
					Violation{Field: violation.GetField(), Description: violation.GetDescription()})
			}
		case *runnerv1.TurnResult:
			failure.Result = detail
		}
	}
	return failure
}

// withTurnID adds what the headers of a failed call say about its turn.
func withTurnID(err error, header metadata.MD) error {
	var failure *Error
	if errors.As(err, &failure) && failure.TurnID == "" {
		failure.TurnID = firstOf(header, turnIDKey)
	}
	return err
}

// allowsRetry reads the push-back as retry policies do: negative or unreadable means never.
func allowsRetry(trailer metadata.MD) bool {
	values := trailer.Get(pushbackKey)
	if len(values) == 0 {
		return true
	}
	milliseconds, err := strconv.Atoi(values[0])
	return len(values) == 1 && err == nil && milliseconds >= 0
}
