// The lines of clients/suite/protocol.ts, which explains every field.

package main

import "encoding/json"

type helloLine struct {
	Hello hello `json:"hello"`
}

type hello struct {
	Language        string `json:"language"`
	Runtime         string `json:"runtime"`
	LanguageVersion string `json:"languageVersion"`
}

// command has the fields of all commands.
type command struct {
	ID     int64  `json:"id"`
	Do     string `json:"do"`
	Target target `json:"target"`

	Request               json.RawMessage   `json:"request"`
	TimeoutMs             int64             `json:"timeoutMs"`
	CancelAfterTextDeltas int               `json:"cancelAfterTextDeltas"`
	LeaveAfterTextDeltas  int               `json:"leaveAfterTextDeltas"`
	Retry                 *bool             `json:"retry"`
	Headers               map[string]string `json:"headers"`
	OTLPURL               string            `json:"otlpUrl"`

	Rejoin        bool   `json:"rejoin"`
	Idempotent    bool   `json:"idempotent"`
	TurnID        string `json:"turnId"`
	RequestID     string `json:"requestId"`
	AfterSequence int32  `json:"afterSequence"`

	SessionID    string            `json:"sessionId"`
	Title        string            `json:"title"`
	Labels       map[string]string `json:"labels"`
	BusyPolicy   string            `json:"busyPolicy"`
	AllowMissing *bool             `json:"allowMissing"`
	Method       string            `json:"method"`

	Prompts     []string `json:"prompts"`
	Service     string   `json:"service"`
	WarmUpCount int      `json:"warmUpCount"`
	TurnCount   int      `json:"turnCount"`
}

type target struct {
	Address string `json:"address"`
	CAFile  string `json:"caFile"`
	Token   string `json:"token"`
}

type answerLine struct {
	ID     int64  `json:"id"`
	Answer any    `json:"answer,omitempty"`
	Bug    string `json:"bug,omitempty"`
}

type callError struct {
	Type         string            `json:"type"`
	Code         string            `json:"code"`
	Reason       string            `json:"reason"`
	Message      string            `json:"message"`
	Facts        map[string]string `json:"facts"`
	RetryDelayMs float64           `json:"retryDelayMs,omitempty"`
	MayRetry     bool              `json:"mayRetry"`
	Violations   []violation       `json:"violations"`
	Result       json.RawMessage   `json:"result,omitempty"`
}

type violation struct {
	Field       string `json:"field"`
	Description string `json:"description"`
}

// textSeen is a text as answers tell it.
type textSeen struct {
	TextBytes  int     `json:"textBytes"`
	TextSHA256 string  `json:"textSha256"`
	Text       *string `json:"text,omitempty"`
}

type streamAnswer struct {
	Kinds        kindCounts `json:"kinds"`
	FirstKind    string     `json:"firstKind"`
	LastKind     string     `json:"lastKind"`
	UnknownCount int        `json:"unknownCount"`
	GapFree      bool       `json:"gapFree"`
	Gaps         []gap      `json:"gaps,omitempty"`
	EventCount   int        `json:"eventCount"`
	textSeen
	TurnID       string          `json:"turnId"`
	Started      json.RawMessage `json:"started,omitempty"`
	Result       json.RawMessage `json:"result,omitempty"`
	AttemptCount int64           `json:"attemptCount"`
	Error        *callError      `json:"error,omitempty"`
	TraceID      string          `json:"traceId,omitempty"`
}

type gap struct {
	FirstSequence int32 `json:"firstSequence"`
	LastSequence  int32 `json:"lastSequence"`
}

type sessionAnswer struct {
	Turns []sessionTurn `json:"turns"`
	Error *callError    `json:"error,omitempty"`
}

type sessionTurn struct {
	Text    string          `json:"text"`
	TurnID  string          `json:"turnId"`
	Started json.RawMessage `json:"started"`
}

type textAnswer struct {
	PieceCount int `json:"pieceCount"`
	textSeen
	Error *callError `json:"error,omitempty"`
}

type conversationAnswer struct {
	Turns []conversationTurn `json:"turns"`
	Error *callError         `json:"error,omitempty"`
}

type conversationTurn struct {
	Text               string `json:"text"`
	SeededMessageCount int32  `json:"seededMessageCount"`
}

// responseAnswer is what the calls with one answer tell.
type responseAnswer struct {
	Response json.RawMessage `json:"response,omitempty"`
	Error    *callError      `json:"error,omitempty"`
}

type healthAnswer struct {
	Status string     `json:"status,omitempty"`
	Error  *callError `json:"error,omitempty"`
}

type reflectAnswer struct {
	Services []string   `json:"services,omitempty"`
	Error    *callError `json:"error,omitempty"`
}

type benchAnswer struct {
	FirstTextMs []float64  `json:"firstTextMs"`
	TotalMs     []float64  `json:"totalMs"`
	EventCounts []int      `json:"eventCounts"`
	Error       *callError `json:"error,omitempty"`
}
