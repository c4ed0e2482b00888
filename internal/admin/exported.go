package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"freehold/internal/app"
	"freehold/internal/capture"
	"freehold/internal/dialect"
	"freehold/internal/judge"
	"freehold/internal/ledger"
	"freehold/internal/llm"
	"freehold/internal/suggest"
)

// Bounds of what is exported at once.
const (
	maxExportRows  = 10_000
	maxExportBytes = 256 << 20
)

// CaptureExportIn asks for a workload's kept prompts and answers.
type CaptureExportIn struct {
	Workload string    `json:"workload"`
	Since    time.Time `json:"since,omitzero" doc:"inclusive"`
	Until    time.Time `json:"until,omitzero" doc:"exclusive"`
	MinScore *float64  `json:"min_score,omitempty" doc:"only answers that were rated this high, 0 to 1; absent: rated or not"`
	Limit    int       `json:"limit,omitempty" doc:"at most so many, the newest; 10000 if absent, and at most"`
	Reason   string    `json:"reason,omitempty" doc:"for the history"`
}

// ExportedChat is a request that was answered whole, in the form of OpenAI chat.
type ExportedChat struct {
	ID          string          `json:"request_id"`
	Time        time.Time       `json:"time"`
	Model       string          `json:"model" doc:"that answered"`
	Score       *float64        `json:"score,omitempty"`
	DataClasses []string        `json:"data_classes"`
	KeyID       string          `json:"key_id,omitempty"`
	Tenant      string          `json:"tenant,omitempty" doc:"whose request it was"`
	Request     json.RawMessage `json:"request"`
	Message     json.RawMessage `json:"message" doc:"the answer, as a message of the assistant"`
	Answer      CompareAnswer   `json:"answer"`
}

// CaptureExportOut are the exchanges, newest first.
type CaptureExportOut struct {
	Exchanges []ExportedChat `json:"exchanges"`
	LeftOut   int            `json:"left_out" doc:"that are kept and not there all the same: cut, not chat, under another key, or beyond the bounds of one answer"`
}

func (s *Service) captureExport(ctx context.Context, c Caller, in CaptureExportIn) (CaptureExportOut, error) {
	by, err := captureBy(c, in.Reason)
	if err != nil {
		return CaptureExportOut{}, err
	}
	f := s.app.Fleet()
	switch {
	case in.Workload == "" || f.Workloads[in.Workload] == nil:
		return CaptureExportOut{}, invalid("there is no workload "+strconv.Quote(in.Workload), hintOr(suggest.Hint(in.Workload, f.WorkloadNames()), "freehold workloads lists them"))
	case in.Limit < 0 || in.Limit > maxExportRows:
		return CaptureExportOut{}, invalid(fmt.Sprintf("limit is %d", in.Limit), fmt.Sprintf("it is a number from 1 to %d", maxExportRows))
	case in.Limit == 0:
		in.Limit = maxExportRows
	}
	if err := ordered(in.Since, in.Until); err != nil {
		return CaptureExportOut{}, err
	}
	scores := map[string]float64{}
	for said, err := range s.app.Feedback.Feedbacks(ctx, in.Since) { // feedback comes after its request
		if err != nil {
			return CaptureExportOut{}, err
		}
		scores[said.Request] = said.Score
	}
	out, size, picked := CaptureExportOut{Exchanges: []ExportedChat{}}, 0, 0
	want := func(e *capture.Entry) bool {
		score, rated := scores[e.ID]
		if e.Outcome != string(ledger.OK) || in.MinScore != nil && (!rated || score < *in.MinScore) || picked == in.Limit {
			return false
		}
		picked++
		return true
	}
	filter := capture.Filter{Workload: in.Workload, Since: in.Since, Until: in.Until, Limit: in.Limit}
	_, err = s.app.Captures.ReadAll(ctx, filter, want, by, func(r *capture.Record) error {
		row, err := s.app.Ledger.Request(ctx, r.ID)
		if errors.Is(err, ledger.ErrNotFound) {
			return nil
		}
		if err != nil || size > maxExportBytes {
			return err
		}
		x, ok := exported(r)
		if !ok {
			return nil
		}
		x.Model, x.Answer = row.Answerer(), comparedAnswer(row, x.Answer.Answer)
		if score, rated := scores[r.ID]; rated {
			x.Score = &score
		}
		if row.Played() { // its times and score are the drill's
			x.Score, x.Answer.FirstToken, x.Answer.Total = nil, 0, 0
		}
		size += len(x.Request) + len(x.Message)
		out.Exchanges = append(out.Exchanges, x)
		return nil
	})
	out.LeftOut = picked - len(out.Exchanges)
	return out, err
}

// exported puts an exchange into the form of OpenAI chat. ok is false where that
// is not possible without loss.
func exported(r *capture.Record) (x ExportedChat, ok bool) {
	codec := app.Codecs()[r.Dialect]
	if codec == nil || llm.Operation(r.Operation) != llm.Chat || r.Request.IsCut() || r.Answer.IsCut() {
		return x, false
	}
	answer, err := codec.DecodeReply(llm.Chat, r.Answer.Body)
	if err != nil || len(answer.Choices) == 0 {
		return x, false
	}
	x = ExportedChat{ID: r.ID, Time: r.Time, DataClasses: orEmpty(r.Classes), KeyID: r.KeyID, Tenant: r.Tenant, Request: bytes.Clone(r.Request.Body)}
	x.Answer.Answer = judge.AnswerOf(answer)
	if codec.Name() != "openai" {
		if x.Request, err = asOpenAI(codec, r.Request.Body); err != nil {
			return x, false
		}
	}
	x.Message, err = assistant(&x.Answer.Answer, answer)
	return x, err == nil
}

// asOpenAI is a request of another dialect as one of OpenAI's. What has no place
// there, and is no part of the conversation, is left out.
func asOpenAI(codec dialect.Codec, raw []byte) ([]byte, error) {
	body, err := codec.Read(llm.Chat, raw)
	if err != nil {
		return nil, err
	}
	defer body.Release()
	r, err := codec.Decode(body)
	if err != nil {
		return nil, err
	}
	o, err := app.Codecs()["openai"].Encode(r, &dialect.Target{Model: r.Model, Drop: true})
	if err != nil {
		return nil, err
	}
	return o.Body, nil
}

// assistant is an answer as the message that training wants it to be: without
// thinking, annotations and the like.
func assistant(a *judge.Answer, r *llm.Response) (json.RawMessage, error) {
	type function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	}
	type call struct {
		ID       string   `json:"id"`
		Type     string   `json:"type"`
		Function function `json:"function"`
	}
	m := struct {
		Role    string  `json:"role"`
		Content *string `json:"content"`
		Calls   []call  `json:"tool_calls,omitempty"`
	}{Role: "assistant"}
	if a.Text != "" {
		m.Content = &a.Text
	}
	for _, p := range r.Choices[0].Parts {
		if p.Kind == llm.PartToolCall {
			m.Calls = append(m.Calls, call{p.ID, "function", function{p.Name, p.Arguments}})
		}
	}
	if m.Content == nil && len(m.Calls) == 0 {
		return nil, errors.New("the answer is empty")
	}
	return plainJSON(m)
}
