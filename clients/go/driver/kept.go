// The commands about what the server keeps.

package main

import (
	"context"
	"fmt"
	"iter"

	clauderunner "github.com/claude-runner/claude-runner/clients/go"
	"github.com/claude-runner/claude-runner/clients/go/runnerv1"
)

func doSession(ctx context.Context, client *openClient, line *command) (any, error) {
	session := sessionOf(client.Client, line)
	answer := sessionAnswer{Turns: []sessionTurn{}}
	for _, prompt := range line.Prompts {
		turn, callErr := session.Stream(ctx, prompt)
		if callErr == nil {
			_, callErr = turn.Result()
		}
		var err error
		if callErr != nil {
			answer.Error, err = failure(callErr)
			return answer, err
		}
		seen := sessionTurn{Text: turn.CollectedText(), TurnID: turn.ID()}
		if seen.Started, err = messageJSON(turn.Started()); err != nil {
			return nil, err
		}
		answer.Turns = append(answer.Turns, seen)
	}
	return answer, nil
}

func sessionOf(client *clauderunner.Client, line *command) *clauderunner.Session {
	template := &runnerv1.StreamChatRequest{
		Session:    &runnerv1.SessionRef{Title: line.Title, Labels: line.Labels},
		BusyPolicy: runnerv1.BusyPolicy(runnerv1.BusyPolicy_value[line.BusyPolicy]),
	}
	if line.AllowMissing != nil && !*line.AllowMissing {
		return client.ExistingSession(line.SessionID, template)
	}
	return client.Session(line.SessionID, template)
}

// doKept answers with what the method gave, in the response of the service.
func doKept(ctx context.Context, client *openClient, line *command) (any, error) {
	switch line.Method {
	case "createSession":
		request, err := parsed(line, &runnerv1.CreateSessionRequest{})
		if err != nil {
			return nil, err
		}
		session, callErr := client.CreateSession(ctx, request)
		return response(&runnerv1.CreateSessionResponse{Session: session}, callErr)
	case "getSession":
		request, err := parsed(line, &runnerv1.GetSessionRequest{})
		if err != nil {
			return nil, err
		}
		session, callErr := client.Session(request.GetId(), nil).Get(ctx)
		return response(&runnerv1.GetSessionResponse{Session: session}, callErr)
	case "listSessions":
		request, err := parsed(line, &runnerv1.ListSessionsRequest{})
		if err != nil {
			return nil, err
		}
		sessions, callErr := all(client.Sessions(ctx, request))
		return response(&runnerv1.ListSessionsResponse{Sessions: sessions}, callErr)
	case "updateSession":
		request, err := parsed(line, &runnerv1.UpdateSessionRequest{})
		if err != nil {
			return nil, err
		}
		session, callErr := client.Session(request.GetId(), nil).Update(ctx, request)
		return response(&runnerv1.UpdateSessionResponse{Session: session}, callErr)
	case "deleteSession":
		request, err := parsed(line, &runnerv1.DeleteSessionRequest{})
		if err != nil {
			return nil, err
		}
		return response(client.Session(request.GetId(), nil).Delete(ctx, request.GetForce()))
	case "forkSession":
		request, err := parsed(line, &runnerv1.ForkSessionRequest{})
		if err != nil {
			return nil, err
		}
		session, callErr := client.Session(request.GetId(), nil).Fork(ctx, request)
		return response(&runnerv1.ForkSessionResponse{Session: session}, callErr)
	case "listTurns":
		request, err := parsed(line, &runnerv1.ListTurnsRequest{})
		if err != nil {
			return nil, err
		}
		turns, callErr := all(client.Turns(ctx, request))
		return response(&runnerv1.ListTurnsResponse{Turns: turns}, callErr)
	case "getTurn":
		request, err := parsed(line, &runnerv1.GetTurnRequest{})
		if err != nil {
			return nil, err
		}
		return response(client.GetTurn(ctx, request))
	case "interruptTurn":
		request, err := parsed(line, &runnerv1.InterruptTurnRequest{})
		if err != nil {
			return nil, err
		}
		return response(client.InterruptTurn(ctx, request.GetTurnId()))
	default:
		return nil, fmt.Errorf("there is no method %q", line.Method)
	}
}

// all reads all pages.
func all[Item any](items iter.Seq2[*Item, error]) ([]*Item, error) {
	var read []*Item
	for item, err := range items {
		if err != nil {
			return nil, err
		}
		read = append(read, item)
	}
	return read, nil
}
