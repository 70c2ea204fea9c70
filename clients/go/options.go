// What a caller may say about the connection.

package clauderunner

import (
	"crypto/tls"
	"strings"

	"google.golang.org/grpc"
)

// Option changes what [New] makes.
type Option func(*settings)

// WithToken names the bearer token, instead of the one in CLAUDE_RUNNER_TOKEN. White space around it is dropped. An empty
// one means that none is sent.
//
// The token goes to the server's address with every call. Without TLS everybody on the way can read it: leave TLS out
// on this machine only, or where something else encrypts the way.
func WithToken(token string) Option {
	return func(s *settings) { s.token = strings.TrimSpace(token) }
}

// WithTLS turns TLS on and verifies the server against the system's certificate authorities.
func WithTLS() Option {
	return WithTLSConfig(&tls.Config{})
}

// WithCAFile turns TLS on and verifies the server against the authorities in a PEM file, and no others.
func WithCAFile(path string) Option {
	return func(s *settings) { s.tls, s.caFile = &tls.Config{}, path }
}

// WithTLSConfig turns TLS on as told, for instance with a certificate of the client's own (mutual TLS). Nil means what
// [WithTLS] means.
func WithTLSConfig(config *tls.Config) Option {
	if config == nil {
		config = &tls.Config{}
	}
	return func(s *settings) { s.tls, s.caFile = config.Clone(), "" }
}

// WithoutRetry turns the client's own retry off: a call is made once, and UNAVAILABLE is for the caller to deal with.
func WithoutRetry() Option {
	return func(s *settings) { s.retryOff = true }
}

// WithDialOptions hands options to grpc-go: interceptors, stats handlers such as OpenTelemetry's, load balancing, a dialer.
// They come after the client's own, so that they win. A service config replaces the one that has the retry policy.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) { s.dialOptions = append(s.dialOptions, options...) }
}
