// How what the driver saw becomes JSON.

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	clauderunner "github.com/claude-runner/claude-runner/clients/go"
)

const maxShownTextBytes = 64 << 10

// parsed is the command's request as one of the client's own messages.
func parsed[Request proto.Message](line *command, request Request) (Request, error) {
	if err := protojson.Unmarshal(line.Request, request); err != nil {
		return request, fmt.Errorf("the request is no %s: %w", request.ProtoReflect().Descriptor().Name(), err)
	}
	return request, nil
}

// messageJSON is a message in protobuf's JSON form; nil for none.
func messageJSON(message proto.Message) (json.RawMessage, error) {
	if message == nil || !message.ProtoReflect().IsValid() {
		return nil, nil
	}
	return protojson.Marshal(message)
}

// failure tells what a call failed with, by what the client's own type says. Nil for none.
func failure(err error) (*callError, error) {
	if err == nil {
		return nil, nil
	}
	var failed *clauderunner.Error
	if !errors.As(err, &failed) {
		return nil, fmt.Errorf("not an error of the client's own: %w", err)
	}
	result, err := messageJSON(failed.Result)
	if err != nil {
		return nil, err
	}
	told := &callError{
		Type:         fmt.Sprintf("%T", failed),
		Code:         code.Code(failed.Code).String(),
		Reason:       failed.ReasonName,
		Message:      failed.Message,
		Facts:        failed.Facts,
		RetryDelayMs: milliseconds(failed.RetryDelay),
		MayRetry:     failed.MayRetry,
		Violations:   []violation{},
		Result:       result,
	}
	if told.Facts == nil {
		told.Facts = map[string]string{}
	}
	for _, broken := range failed.Violations {
		told.Violations = append(told.Violations, violation(broken))
	}
	return told, nil
}

// response tells what a call with one answer gave.
func response(message proto.Message, callErr error) (any, error) {
	var answer responseAnswer
	var err error
	if answer.Error, err = failure(callErr); err != nil || answer.Error != nil {
		return answer, err
	}
	answer.Response, err = messageJSON(message)
	return answer, err
}

func seen(text string) textSeen {
	sum := sha256.Sum256([]byte(text))
	told := textSeen{TextBytes: len(text), TextSHA256: hex.EncodeToString(sum[:])}
	if len(text) <= maxShownTextBytes {
		told.Text = &text
	}
	return told
}

func milliseconds(span time.Duration) float64 {
	return float64(span) / float64(time.Millisecond)
}

// kindCounts counts kinds of events, in the order of their first appearance.
type kindCounts struct {
	names  []string
	counts map[string]int
}

func (k *kindCounts) add(name string) {
	if k.counts == nil {
		k.counts = map[string]int{}
	}
	if k.counts[name] == 0 {
		k.names = append(k.names, name)
	}
	k.counts[name]++
}

func (k kindCounts) MarshalJSON() ([]byte, error) {
	var object bytes.Buffer
	object.WriteByte('{')
	for i, name := range k.names {
		if i > 0 {
			object.WriteByte(',')
		}
		fmt.Fprintf(&object, "%q:%d", name, k.counts[name])
	}
	object.WriteByte('}')
	return object.Bytes(), nil
}
