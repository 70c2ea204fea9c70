// The README shows code that is compiled.

package clauderunner_test

import (
	"errors"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

var (
	fence  = regexp.MustCompile("(?ms)^```go\n")
	marked = regexp.MustCompile("(?ms)^<!-- from (\\S+) -->\n```go\n(.*?)^```$")
)

func TestEverySnippetOfTheREADMEIsInTheFileThatItNames(t *testing.T) {
	readme := read(t, "README.md")
	snippets := marked.FindAllStringSubmatch(readme, -1)
	equal(t, "snippets that name their file", len(snippets), len(fence.FindAllString(readme, -1)))
	for _, snippet := range snippets {
		file, shown := snippet[1], snippet[2]
		t.Run(file, func(t *testing.T) {
			rest := unindented(read(t, file))
			// What is left out is marked; the rest has to follow in this order.
			for piece := range strings.SplitSeq(shown, "// …\n") {
				_, after, found := strings.Cut(rest, "\n"+unindented(piece))
				if !found {
					t.Fatalf("%s does not have, or not in this order:\n%s", file, piece)
				}
				rest = "\n" + after
			}
		})
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(file, "driver/") {
		t.Skip("the driver is no part of the published module")
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// unindented is text without the white space at the beginning of its lines.
func unindented(text string) string {
	return regexp.MustCompile(`(?m)^[\t ]+`).ReplaceAllString(text, "")
}
