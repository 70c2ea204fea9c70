// Handles of sessions, and lists page by page.

package clauderunner_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/claude-runner/claude-runner/clients/go/runnerv1"
)

// asking is a server that answers every turn, and what it was asked.
func asking() (*scriptedServer, *[]*runnerv1.StreamChatRequest) {
	var requests []*runnerv1.StreamChatRequest
	return &scriptedServer{streamChat: func(request *runnerv1.StreamChatRequest, stream eventStream) error {
		requests = append(requests, request)
		return sendAll(stream, started(), completed("Hello"))
	}}, &requests
}

func TestOnlyTheFirstTurnOfAHandleMayCreateItsSession(t *testing.T) {
	server, requests := asking()
	client := connect(t, serve(t, server))
	session := client.Session("trip", &runnerv1.StreamChatRequest{
		Profile: "coder",
		Prompt:  "not used",
		Session: &runnerv1.SessionRef{Title: "A trip"},
	})
	existing := client.ExistingSession("trip", nil)
	for range 2 {
		turn, err := session.Stream(t.Context(), "Say hello")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := turn.Result(); err != nil {
			t.Fatal(err)
		}
	}
	turn, err := existing.Stream(t.Context(), "Say hello")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := turn.Result(); err != nil {
		t.Fatal(err)
	}
	var may []bool
	for _, request := range *requests {
		may = append(may, request.GetSession().GetAllowMissing())
		equal(t, "id", request.GetSession().GetId(), "trip")
		equal(t, "prompt", request.GetPrompt(), "Say hello")
	}
	equalAll(t, "may create", may, []bool{true, false, false})
	equal(t, "profile", (*requests)[0].GetProfile(), "coder")
	equal(t, "title", (*requests)[0].GetSession().GetTitle(), "A trip")
}

func TestAListHasAllPagesAndEachPassBeginsAnew(t *testing.T) {
	server := &scriptedServer{}
	server.keptCount = 5
	client := connect(t, serve(t, server))
	turns := client.Session("trip", nil).Turns(t.Context())
	for range 2 {
		var ids []string
		for turn, err := range turns {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, turn.GetId())
			equal(t, "session", turn.GetSessionId(), "trip")
			equal(t, "words", turn.GetHasContent(), true)
		}
		equalAll(t, "turns", ids, []string{"1", "2", "3", "4", "5"})
	}
	for session := range client.Sessions(t.Context(), nil) {
		equal(t, "session", session.GetId(), "1")
		break
	}
	// No page was asked for that nobody wanted.
	equalAll(t, "pages", server.pageTokens, []string{"", "2", "4", "", "2", "4", ""})
}

func TestAListEndsWithItsFailure(t *testing.T) {
	client := connect(t, serve(t, &scriptedServer{}))
	passes := 0
	for session, err := range client.Sessions(t.Context(), &runnerv1.ListSessionsRequest{TitleContains: "nobody's"}) {
		passes++
		equal(t, "code", failureOf(t, err).Code, codes.PermissionDenied)
		equal(t, "no session", session == nil, true)
	}
	equal(t, "passes", passes, 1)
}
