// How the connection is set up: TLS, token, sizes, keepalive, retry.

package clauderunner

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

const (
	// No event exceeds 1 MiB and no other answer 4 MiB; the rest is room for what frames them.
	maxReceiveBytes = 8 << 20
	// The largest request that a server reads. grpc-go repeats only what it has kept, 256 KiB unless told otherwise: a
	// request with a history or a picture would not be repeated.
	maxKeptRequestBytes = 32 << 20
	// While a call is open, a peer that died without a word is noticed after 50 s. Servers and proxies that count pings let
	// so few of them pass.
	pingInterval = 30 * time.Second
	pingTimeout  = 20 * time.Second
)

// Only UNAVAILABLE is repeated: the server had no room, or was not reached. grpc-go keeps to the server's push-back, never
// repeats a call of which an event was seen, and adds jitter to the waits of its own. What makes, copies or deletes a session
// is left out: with its answer lost nobody knows whether it was done, and done twice it is something else.
const serviceConfig = `{
  "methodConfig": [{
    "name": [
      {"service": "claude.runner.v1.ClaudeRunner"},
      {"service": "claude.runner.v1.PoolService"},
      {"service": "claude.runner.v1.TurnService"},
      {"service": "claude.runner.v1.SessionService", "method": "GetSession"},
      {"service": "claude.runner.v1.SessionService", "method": "ListSessions"},
      {"service": "claude.runner.v1.SessionService", "method": "UpdateSession"}
    ],
    "retryPolicy": {
      "maxAttempts": 4,
      "initialBackoff": "0.2s",
      "maxBackoff": "10s",
      "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE"]
    }
  }],
  "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}
}`

// settings is what the options say. It is not kept: the token lives on in the connection only.
type settings struct {
	token       string
	tls         *tls.Config
	caFile      string
	retryOff    bool
	dialOptions []grpc.DialOption
}

// connection is the settings as grpc-go wants them.
func (s *settings) connection() ([]grpc.DialOption, error) {
	options := []grpc.DialOption{
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(maxReceiveBytes),
			grpc.MaxRetryRPCBufferSize(maxKeptRequestBytes),
		),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingInterval, Timeout: pingTimeout}),
	}
	if s.tls == nil {
		// A proxy of the environment's would get to read the token.
		options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy())
	} else {
		if s.caFile != "" {
			authorities, err := readAuthorities(s.caFile)
			if err != nil {
				return nil, err
			}
			s.tls.RootCAs = authorities
		}
		options = append(options, grpc.WithTransportCredentials(credentials.NewTLS(s.tls)))
	}
	if s.token != "" {
		if strings.ContainsFunc(s.token, isNotOfToken) {
			return nil, errors.New("the token holds a character that no token has, such as a space or a line break")
		}
		options = append(options, grpc.WithPerRPCCredentials(bearerToken{text: s.token, needsTLS: s.tls != nil}))
	}
	if s.retryOff {
		options = append(options, grpc.WithDisableRetry())
	}
	return append(options, s.dialOptions...), nil
}

func readAuthorities(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the CA file: %w", err)
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("there is no certificate in the CA file %s; it must be PEM", path)
	}
	return authorities, nil
}

func isNotOfToken(char rune) bool {
	return char <= ' ' || char > '~'
}

// bearerToken goes along with every call. It never shows what it holds.
type bearerToken struct {
	text     string
	needsTLS bool
}

func (t bearerToken) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + t.text}, nil
}

func (t bearerToken) RequireTransportSecurity() bool {
	return t.needsTLS
}

func (bearerToken) String() string {
	return "a bearer token"
}

func (t bearerToken) GoString() string {
	return t.String()
}
