// Driver carries out the commands of the behaviour suite with the Go client, as its users would.
//
// It reads a command from each line of stdin and writes what it saw to stdout; see clients/suite/README.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"google.golang.org/grpc"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "driver:", err)
		os.Exit(1)
	}
}

func run(commands io.Reader, answers io.Writer) error {
	write := json.NewEncoder(answers).Encode
	if err := write(helloLine{Hello: hello{
		Language:        "go",
		Runtime:         "grpc-go " + grpc.Version,
		LanguageVersion: strings.Replace(runtime.Version(), "go", "Go ", 1),
	}}); err != nil {
		return err
	}
	var open clients
	defer open.close()
	// A decoder bounds no line: a command may carry megabytes of history.
	lines := json.NewDecoder(commands)
	for {
		var line command
		if err := lines.Decode(&line); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		said := answerLine{ID: line.ID}
		if answer, err := carryOut(context.Background(), &open, &line); err != nil {
			said.Bug = err.Error()
		} else {
			said.Answer = answer
		}
		if err := write(said); err != nil {
			return err
		}
	}
}

// carryOut answers a command. An error is a mistake of the driver's, or of whoever wrote the command.
func carryOut(ctx context.Context, open *clients, line *command) (any, error) {
	client, err := open.get(line)
	if err != nil {
		return nil, err
	}
	switch line.Do {
	case "stream":
		return doStream(ctx, client, line)
	case "text":
		return doText(ctx, client, line)
	case "chat":
		return doChat(ctx, client, line)
	case "conversation":
		return doConversation(ctx, client, line)
	case "session":
		return doSession(ctx, client, line)
	case "attach":
		return doAttach(ctx, client, line)
	case "kept":
		return doKept(ctx, client, line)
	case "info":
		return doInfo(ctx, client)
	case "pool":
		return doPool(ctx, client)
	case "health":
		return doHealth(ctx, client, line)
	case "reflect":
		return doReflect(ctx, client)
	case "bench":
		return doBench(ctx, client, line)
	default:
		return nil, fmt.Errorf("there is no command %q", line.Do)
	}
}
