// How often a call was sent, and in which trace: what grpc-go tells those who watch.

package main

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/stats"
)

// attempts belongs to one call; its context carries it.
type attempts struct {
	count   atomic.Int64
	traceID atomic.Pointer[string]
}

type attemptsKey struct{}

func withAttempts(ctx context.Context) (context.Context, *attempts) {
	record := &attempts{}
	return context.WithValue(ctx, attemptsKey{}, record), record
}

// attemptObserver notes each attempt in the record of its call. One that found no connection was not sent.
type attemptObserver struct{}

func (attemptObserver) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	if record, ok := ctx.Value(attemptsKey{}).(*attempts); ok {
		if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
			traceID := span.TraceID().String()
			record.traceID.Store(&traceID)
		}
	}
	return ctx
}

func (attemptObserver) HandleRPC(ctx context.Context, event stats.RPCStats) {
	if _, isSent := event.(*stats.OutHeader); !isSent {
		return
	}
	if record, ok := ctx.Value(attemptsKey{}).(*attempts); ok {
		record.count.Add(1)
	}
}

func (attemptObserver) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (attemptObserver) HandleConn(context.Context, stats.ConnStats) {}
