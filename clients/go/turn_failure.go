// What a turn failed with, out of its result: for those who attach to it, whose call ends well.

package clauderunner

import (
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"

	"github.com/claude-runner/claude-runner/clients/go/runnerv1"
)

const upstreamPrefix = "UPSTREAM_"

// turnFailure is the error that the turn's own call failed with; nil: it did not fail. hasContent: text or a tool use was
// streamed, or may be in a gap.
func turnFailure(turnID string, result *runnerv1.TurnResult, lastSequence int32, hasContent bool) *Error {
	problem := result.GetError()
	if problem == nil {
		return nil
	}
	facts := map[string]string{"turnId": turnID, "lastSequence": strconv.Itoa(int(lastSequence))}
	if problem.HttpStatus != nil {
		facts["httpStatus"] = strconv.Itoa(int(problem.GetHttpStatus()))
	}
	reason := strings.TrimPrefix(problem.GetReason().String(), "ERROR_REASON_")
	withoutTexts := proto.CloneOf(result)
	withoutTexts.Text, withoutTexts.TextTruncated = "", result.GetTextSizeBytes() > 0
	withoutTexts.StructuredOutput, withoutTexts.StructuredOutputJson = nil, ""
	withDetails, err := status.New(codeAfterPrompt(reason, hasContent), problem.GetMessage()).WithDetails(
		protoadapt.MessageV1Of(&errdetails.ErrorInfo{Reason: reason, Domain: errorDomain, Metadata: facts}),
		protoadapt.MessageV1Of(withoutTexts),
	)
	if err != nil {
		// Details cannot be added to OK only, or be no messages.
		panic("bug: " + err.Error())
	}
	return newError(withDetails, nil, true)
}

// codeAfterPrompt is the code of a reason once Claude Code has the prompt, as error.proto lists them.
func codeAfterPrompt(reason string, hasContent bool) codes.Code {
	if hasContent && strings.HasPrefix(reason, upstreamPrefix) {
		return codes.Aborted
	}
	switch reason {
	case "WORKER_DIED", "DRAINED", "CLIENT_STALLED", "TURN_LOST", "TURN_INTERRUPTED", "UPSTREAM_CONFLICT":
		return codes.Aborted
	case "CANCELLED":
		return codes.Canceled
	case "DEADLINE_EXCEEDED":
		return codes.DeadlineExceeded
	case "UPSTREAM_INVALID_REQUEST", "UPSTREAM_CONTEXT_TOO_LONG", "UPSTREAM_REQUEST_TOO_LARGE":
		return codes.InvalidArgument
	case "UPSTREAM_BILLING", "UPSTREAM_AUTH", "CONTEXT_FULL", "SESSION_SUSPENDED":
		return codes.FailedPrecondition
	case "UPSTREAM_MODEL_NOT_FOUND":
		return codes.NotFound
	case "UPSTREAM_RATE_LIMITED", "UPSTREAM_USAGE_LIMIT":
		return codes.ResourceExhausted
	case "UPSTREAM_OVERLOADED", "UPSTREAM_5XX", "UPSTREAM_UNREACHABLE", "UPSTREAM_TIMEOUT", "STORE_UNAVAILABLE":
		return codes.Unavailable
	default:
		// INTERNAL, the rest of UPSTREAM_, and what a newer server has.
		return codes.Internal
	}
}
