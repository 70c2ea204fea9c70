// Where a client connects to, as whom, and whom it trusts.

package clauderunner_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"

	clauderunner "github.com/claude-runner/claude-runner/clients/go"
)

// authorizations calls the server once and returns what it got to see.
func authorizations(t *testing.T, server *scriptedServer, options ...clauderunner.Option) []string {
	t.Helper()
	client, err := clauderunner.New(server.address, options...)
	if err != nil {
		t.Fatal(err)
	}
	turn := begin(t, client)
	if _, err := turn.Result(); err != nil {
		t.Fatal(err)
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	calls := server.calls()
	return calls[len(calls)-1].Get("authorization")
}

func TestTheTokenIsTheOneGivenElseTheEnvironments(t *testing.T) {
	server := serve(t, &scriptedServer{streamChat: sends(started(), completed("Hello"))})
	t.Setenv(clauderunner.TokenVariable, "of-environment")
	equalAll(t, "environment's", authorizations(t, server), []string{"Bearer of-environment"})
	equalAll(t, "given", authorizations(t, server, clauderunner.WithToken(" given\n")), []string{"Bearer given"})
	equalAll(t, "none", authorizations(t, server, clauderunner.WithToken("")), nil)
	t.Setenv(clauderunner.TokenVariable, "")
	equalAll(t, "no environment", authorizations(t, server), nil)
}

func TestTheAddressIsTheOneGivenElseTheEnvironments(t *testing.T) {
	server := serve(t, &scriptedServer{streamChat: sends(started(), completed("Hello"))})
	t.Setenv(clauderunner.AddressVariable, server.address)
	client, err := clauderunner.New("")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := begin(t, client).Result(); err != nil {
		t.Error(err)
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
}

func TestWhatCannotBeUsedIsRefusedWithoutShowingIt(t *testing.T) {
	noPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(noPEM, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		address string
		option  clauderunner.Option
		says    string
	}{
		"a URL":                     {"https://user:secret@runner.example", clauderunner.WithToken(""), "host:port"},
		"a token of two lines":      {"", clauderunner.WithToken("secret\nsecret"), "the token holds a character"},
		"a CA file that is missing": {"", clauderunner.WithCAFile("missing.pem"), "missing.pem"},
		"a CA file without any":     {"", clauderunner.WithCAFile(noPEM), "no certificate in the CA file"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := clauderunner.New(test.address, test.option)
			if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want an error that says %q", err, test.says)
			}
		})
	}
}

func TestTheTokenIsShownNowhere(t *testing.T) {
	option := clauderunner.WithToken("secret-token")
	client, err := clauderunner.New("127.0.0.1:1", option)
	if err != nil {
		t.Fatal(err)
	}
	shown := fmt.Sprintf("%v %+v %#v %v %#v", client, client, client, option, option)
	equal(t, "shows the token", strings.Contains(shown, "secret-token"), false)
	if err := client.Close(); err != nil {
		t.Error(err)
	}
}

// selfSigned makes a certificate for localhost and writes it to a file.
func selfSigned(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

func TestOnlyAServerOfATrustedAuthorityGetsTheToken(t *testing.T) {
	certificate, caFile := selfSigned(t)
	_, otherFile := selfSigned(t)
	server := serve(t, &scriptedServer{streamChat: sends(started(), completed("Hello"))},
		grpc.Creds(credentials.NewServerTLSFromCert(&certificate)))
	got := authorizations(t, server, clauderunner.WithToken("given"), clauderunner.WithCAFile(caFile))
	equalAll(t, "trusted", got, []string{"Bearer given"})

	distrusting := map[string]clauderunner.Option{
		"another authority":      clauderunner.WithCAFile(otherFile),
		"the system's":           clauderunner.WithTLS(),
		"a configuration of nil": clauderunner.WithTLSConfig(nil),
		"without TLS":            clauderunner.WithToken("given"),
	}
	for name, option := range distrusting {
		t.Run(name, func(t *testing.T) {
			client := connect(t, server, clauderunner.WithToken("given"), clauderunner.WithoutRetry(), option)
			_, err := client.StreamPrompt(t.Context(), "Say hello")
			equal(t, "code", failureOf(t, err).Code, codes.Unavailable)
			equal(t, "calls", len(server.calls()), 1)
		})
	}
}
