// Client spans by the usual instrumentation of grpc-go, sent by OTLP over HTTP.

package main

import (
	"context"
	"net/url"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"

	clauderunner "github.com/claude-runner/claude-runner/clients/go"
)

func newTracerProvider(ctx context.Context, collectorURL string) (*trace.TracerProvider, error) {
	endpoint, err := url.Parse(collectorURL)
	if err != nil {
		return nil, err
	}
	if endpoint.Path == "" || endpoint.Path == "/" {
		endpoint.Path = "/v1/traces"
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint.String()))
	if err != nil {
		return nil, err
	}
	return trace.NewTracerProvider(trace.WithBatcher(exporter)), nil
}

// withTracing makes a span of each call and tells the server about it, in the header `traceparent`.
func withTracing(provider *trace.TracerProvider) clauderunner.Option {
	return clauderunner.WithDialOptions(grpc.WithStatsHandler(otelgrpc.NewClientHandler(
		otelgrpc.WithTracerProvider(provider),
		otelgrpc.WithPropagators(propagation.TraceContext{}),
	)))
}
