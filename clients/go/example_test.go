// What a program writes for connections that are not the default: compiled as documentation, not run.

package clauderunner_test

import (
	"log"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	clauderunner "github.com/claude-runner/claude-runner/clients/go"
)

func ExampleWithCAFile() {
	client, err := clauderunner.New("runner.example:7433", clauderunner.WithCAFile("/etc/runner/ca.pem"))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
}

func ExampleWithDialOptions() {
	client, err := clauderunner.New("dns:///runner.example:7433",
		clauderunner.WithTLS(),
		clauderunner.WithDialOptions(
			grpc.WithUserAgent("night-report/1.4"),
			grpc.WithChainStreamInterceptor( /* yours */ ),
		))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
}

func ExampleClient_Conn() {
	client, err := clauderunner.New("")
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	health := grpc_health_v1.NewHealthClient(client.Conn())
	_ = health
}
