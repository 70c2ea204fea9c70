// A collected turn whose call may be sent again.

package clauderunner

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc"
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
	patience := newPatience(time.Now())
	for {
		response, hasBegun, err := unaryCall(ctx, c.runner.Chat, request, options)
		if err == nil {
			return response, nil
		}
		if ctx.Err() != nil {
			c.giveUp(ctx, "", request.GetRequestId(), options)
			return nil, err
		}
		if hasBegun {
			patience.sign(time.Now())
		}
		var failure *Error
		if !errors.As(err, &failure) || setbackOf(failure) != broken {
			return nil, err
		}
		delay, isPatient := patience.delay(time.Now())
		if !isPatient {
			return nil, err
		}
		wait(ctx, delay)
	}
}
