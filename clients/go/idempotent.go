// A collected turn whose call may be sent again.

package clauderunner

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/claude-runner/claude-runner/clients/go/runnerv1"
)

// chatAgain makes the call until the server has answered it. All attempts have one request id: the server runs one turn.
func (c *Client) chatAgain(
	ctx context.Context, request *runnerv1.ChatRequest, options []grpc.CallOption,
) (*runnerv1.ChatResponse, error) {
	ctx, release := c.whileOpen(ctx)
	defer release()
	c.leaving.Add(1)
	defer c.leaving.Done()
	request = proto.CloneOf(request)
	request.OnDisconnect = runnerv1.OnDisconnect_ON_DISCONNECT_CONTINUE
	if request.GetRequestId() == "" {
		request.RequestId = newRequestID()
	}
	var patience patience
	// mayRun: a server may have the turn.
	isFirst, mayRun := true, false
	for {
		response, hasBegun, err := unaryCall(ctx, c.runner.Chat, request, options)
		if err == nil {
			return response, nil
		}
		var failure *Error
		isFailure := errors.As(err, &failure)
		// The deadline ends the call by the server's clock too.
		if ctx.Err() != nil || (isFailure && failure.Code == codes.DeadlineExceeded) {
			c.giveUp(ctx, "", request.GetRequestId(), options)
			return nil, err
		}
		// The time counts from the first break, and from headers, which are a sign of the turn and no reason to try faster.
		if isFirst || hasBegun {
			patience.heard(time.Now())
		}
		isFirst = false
		if !isFailure {
			return nil, err
		}
		mayRun = mayRun || hasBegun || failure.ReasonName == ""
		delay, isPatient := patience.delay(time.Now())
		if setbackOf(failure) != broken || !isPatient {
			failure.MayRetry = failure.MayRetry && !mayRun
			return nil, err
		}
		wait(ctx, delay)
	}
}
