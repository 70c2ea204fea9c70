// The clients that are open: one for each way in which a command wants to connect, kept as a real program keeps its own.

package main

import (
	"context"
	"fmt"
	"os"

	"google.golang.org/grpc"

	clauderunner "github.com/claude-runner/claude-runner/clients/go"
)

type way struct {
	target   target
	retryOff bool
	otlpURL  string
}

type openClient struct {
	*clauderunner.Client
	// Sends the spans that were made so far. Does nothing without tracing.
	flush func(context.Context) error
}

type clients struct {
	byWay  map[way]*openClient
	closes []func() error
}

func (c *clients) get(line *command) (*openClient, error) {
	wanted := way{target: line.Target, retryOff: line.Retry != nil && !*line.Retry, otlpURL: line.OTLPURL}
	if found := c.byWay[wanted]; found != nil {
		return found, nil
	}
	made := &openClient{flush: func(context.Context) error { return nil }}
	options := []clauderunner.Option{clauderunner.WithToken(wanted.target.Token)}
	if wanted.target.CAFile != "" {
		options = append(options, clauderunner.WithCAFile(wanted.target.CAFile))
	}
	if wanted.retryOff {
		options = append(options, clauderunner.WithoutRetry())
	}
	if wanted.otlpURL != "" {
		provider, err := newTracerProvider(context.Background(), wanted.otlpURL)
		if err != nil {
			return nil, fmt.Errorf("cannot send spans to %s: %w", wanted.otlpURL, err)
		}
		made.flush = provider.ForceFlush
		c.closes = append(c.closes, func() error { return provider.Shutdown(context.Background()) })
		options = append(options, withTracing(provider))
	}
	// Behind the tracing, so that it sees the span.
	options = append(options, clauderunner.WithDialOptions(grpc.WithStatsHandler(attemptObserver{})))
	client, err := clauderunner.New(wanted.target.Address, options...)
	if err != nil {
		return nil, err
	}
	made.Client = client
	c.closes = append(c.closes, client.Close)
	if c.byWay == nil {
		c.byWay = map[way]*openClient{}
	}
	c.byWay[wanted] = made
	return made, nil
}

func (c *clients) close() {
	for _, closeOne := range c.closes {
		if err := closeOne(); err != nil {
			fmt.Fprintln(os.Stderr, "driver:", err)
		}
	}
}
