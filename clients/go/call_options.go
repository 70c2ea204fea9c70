// Options of single calls that are this package's own: they go where grpc-go's go.

package clauderunner

import (
	"google.golang.org/grpc"
)

// Rejoin makes a turn outlive its connection: [Client.Stream] and what builds on it then set a request id of their own, and
// ON_DISCONNECT_CONTINUE. When the stream breaks, the turn is attached to again after the last event that was given, as
// often as it takes, so that the events come once and in order. After a minute without any sign of the turn the stream fails
// with what the last attempt failed with.
//
// Events that the server no longer has are given as an event `gap`; see [Turn.HasGap]. A turn that is cancelled, by its
// deadline as well, is interrupted, which takes up to 5 seconds if the server cannot be reached.
//
// A request that has a request id keeps it.
func Rejoin() grpc.CallOption {
	return rejoinOption{}
}

// Idempotent lets [Client.Chat] and what builds on it send a call again when its connection breaks, for up to a minute: the
// call gets a request id of its own, so that the server runs the turn once, and ON_DISCONNECT_CONTINUE. A request that has a
// request id keeps it. A call whose context ends interrupts its turn.
func Idempotent() grpc.CallOption {
	return idempotentOption{}
}

type (
	rejoinOption     struct{ grpc.EmptyCallOption }
	idempotentOption struct{ grpc.EmptyCallOption }
)

// hasOption tells whether an option of this kind is among them.
func hasOption[Kind grpc.CallOption](options []grpc.CallOption) bool {
	for _, option := range options {
		if _, ok := option.(Kind); ok {
			return true
		}
	}
	return false
}
