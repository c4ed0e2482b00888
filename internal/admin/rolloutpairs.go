package admin

import (
	"context"
	"fmt"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/app"
	"freehold/internal/capture"
	"freehold/internal/judge"
	"freehold/internal/llm"
	"freehold/internal/rollout"
	"freehold/internal/rollout/runner"
)

// RolloutSide is what one model did with a request.
type RolloutSide struct {
	Failed     string              `json:"failed,omitempty" doc:"why there is no answer"`
	Refused    bool                `json:"refused,omitempty"`
	Truncated  bool                `json:"truncated,omitempty"`
	FirstToken float64             `json:"first_token_ms"`
	Total      float64             `json:"total_ms"`
	In         int64               `json:"tokens_in"`
	Out        int64               `json:"tokens_out"`
	Cost       decimal.NullDecimal `json:"cost" doc:"US dollars; null: unknown"`
}

func sideOf(s *rollout.Side) RolloutSide {
	return RolloutSide{s.Failed, s.Refused, s.Truncated, millis(s.FirstToken), millis(s.Total), s.In, s.Out, s.Cost}
}

// RolloutPair is a request that both models answered, without its texts.
type RolloutPair struct {
	Request    string              `json:"request_id" doc:"of the client's request"`
	Shadow     string              `json:"shadow_id" doc:"request id of the copy"`
	Time       time.Time           `json:"time"`
	Judged     bool                `json:"judged"`
	Difference float64             `json:"difference" doc:"score of the new model less that of the old one, -1 to 1"`
	Raw        float64             `json:"raw" doc:"the same before control for length"`
	Similarity float64             `json:"similarity" doc:"of the texts; nothing rests on it"`
	Lengths    [2]int              `json:"lengths" doc:"of both answers, in characters"`
	Detail     string              `json:"detail,omitempty"`
	Consistent *bool               `json:"consistent,omitempty" doc:"the judging model said the same in both orders"`
	Segments   []string            `json:"segments"`
	Old        RolloutSide         `json:"old"`
	New        RolloutSide         `json:"new"`
	JudgeCost  decimal.NullDecimal `json:"judge_cost"`
	Labels     []RolloutLabel      `json:"labels" doc:"what people said of it"`
}

// RolloutLabel is a person's word on a pair.
type RolloutLabel struct {
	Winner string `json:"winner" doc:"baseline, candidate or tie"`
	By     string `json:"by"`
}

func pairOf(p *rollout.Pair, labels []rollout.Label) RolloutPair {
	out := RolloutPair{
		Request: p.Request, Shadow: p.Shadow, Time: p.Time.UTC(), Judged: p.Judged, Difference: p.Difference, Raw: p.Raw, Similarity: p.Similarity,
		Lengths: p.Lengths, Detail: p.Detail, Consistent: p.Consistent, Segments: orEmpty(p.Segments), Old: sideOf(&p.Old), New: sideOf(&p.New),
		JudgeCost: p.JudgeCost, Labels: []RolloutLabel{},
	}
	for _, l := range labels {
		if l.Request == p.Request {
			out.Labels = append(out.Labels, RolloutLabel{l.Winner, l.By})
		}
	}
	return out
}

// RolloutPairsIn selects pairs.
type RolloutPairsIn struct {
	RolloutIn
	Texts  bool   `json:"texts,omitempty" doc:"only those whose texts are kept and that the caller has not labelled; that they are listed is in the history"`
	Limit  int    `json:"limit,omitempty" doc:"the newest; 100 if absent, 10000 at most"`
	Reason string `json:"reason,omitempty" doc:"for the history"`
}

// RolloutPairsOut lists pairs, the newest first.
type RolloutPairsOut struct {
	ID    string        `json:"rollout"`
	From  string        `json:"from"`
	To    string        `json:"to"`
	Pairs []RolloutPair `json:"pairs"`
}

func (s *Service) rolloutPairs(ctx context.Context, c Caller, in RolloutPairsIn) (RolloutPairsOut, error) {
	st, err := s.rolloutNow(ctx, in.RolloutIn)
	if err != nil {
		return RolloutPairsOut{}, err
	}
	out := RolloutPairsOut{ID: st.ID, From: st.From, To: st.To, Pairs: []RolloutPair{}}
	most, err := limit(in.Limit)
	if err != nil {
		return out, err
	}
	want := func(*rollout.Pair) bool { return true }
	if in.Texts {
		if want, err = s.withTexts(ctx, c, &st, in.Reason); err != nil {
			return out, err
		}
	}
	pairs, labels, err := s.pairs(ctx, st.ID)
	if err != nil {
		return out, err
	}
	for i := len(pairs) - 1; i >= 0 && len(out.Pairs) < most; i-- {
		if !want(&pairs[i]) {
			continue
		}
		shown := pairOf(&pairs[i], labels)
		if in.Texts && said(shown.Labels, c) {
			continue
		}
		out.Pairs = append(out.Pairs, shown)
	}
	return out, nil
}

func said(labels []RolloutLabel, c Caller) bool {
	for _, l := range labels {
		if l.By == c.Who.String() {
			return true
		}
	}
	return false
}

func (s *Service) pairs(ctx context.Context, id string) ([]rollout.Pair, []rollout.Label, error) {
	pairs, err := s.app.Rollouts.Pairs(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	labels, err := s.app.Rollouts.Store.Labels(ctx, id)
	return pairs, labels, err
}

// withTexts picks the pairs of which both answers are kept.
func (s *Service) withTexts(ctx context.Context, c Caller, st *runner.Status, why string) (func(*rollout.Pair) bool, error) {
	by, err := captureBy(c, why)
	if err != nil {
		return nil, err
	}
	kept := map[string]bool{}
	for _, name := range []string{st.Workload, runner.Label(st.Workload)} {
		entries, err := s.app.Captures.List(ctx, capture.Filter{Workload: name, Since: st.Started.Add(-time.Hour)}, by)
		if err != nil {
			return nil, err
		}
		for i := range entries {
			kept[entries[i].ID] = true
		}
	}
	return func(p *rollout.Pair) bool { return kept[p.Request] && kept[p.Shadow] }, nil
}

// RolloutTextsIn names a pair.
type RolloutTextsIn struct {
	RolloutIn
	Request string `json:"request_id" doc:"of the client's request"`
	Reason  string `json:"reason,omitempty" doc:"for the history"`
}

// RolloutTextsOut is what was asked, and both answers.
type RolloutTextsOut struct {
	Request      string `json:"request_id"`
	Conversation string `json:"conversation"`
	Old          string `json:"old"`
	New          string `json:"new"`
}

func (s *Service) rolloutTexts(ctx context.Context, c Caller, in RolloutTextsIn) (RolloutTextsOut, error) {
	out := RolloutTextsOut{Request: in.Request}
	by, err := captureBy(c, in.Reason)
	if err != nil {
		return out, err
	}
	st, err := s.rolloutNow(ctx, in.RolloutIn)
	if err != nil {
		return out, err
	}
	pairs, _, err := s.pairs(ctx, st.ID)
	if err != nil {
		return out, err
	}
	for i := range pairs {
		p := &pairs[i]
		if p.Request != in.Request {
			continue
		}
		old, err := s.app.Captures.Read(ctx, p.Request, by)
		if err != nil {
			return out, err
		}
		candidate, err := s.app.Captures.Read(ctx, p.Shadow, by)
		if err != nil {
			return out, err
		}
		out.Conversation, out.Old, out.New = conversationOf(&old), answerOf(&old), answerOf(&candidate)
		return out, nil
	}
	return out, noPair(in.Request, st.ID)
}

func noPair(request, id string) error {
	return fmt.Errorf("request %q in rollout %s: %w", request, id, rollout.ErrNoPair)
}

// conversationOf is a kept request for people; what cannot be read, since only its
// beginning is kept, is shown as it is.
func conversationOf(r *capture.Record) string {
	raw := string(r.Request.Body)
	codec := app.Codecs()[r.Dialect]
	if codec == nil {
		return raw
	}
	body, err := codec.Read(llm.Operation(r.Operation), r.Request.Body)
	if err != nil {
		return raw
	}
	defer body.Release()
	request, err := codec.Decode(body)
	if err != nil {
		return raw
	}
	text := judge.Conversation(request.Messages)
	for _, p := range request.Prompt {
		text = p + "\n" + text
	}
	return text
}

// answerOf is a kept answer for people.
func answerOf(r *capture.Record) string {
	raw := string(r.Answer.Body)
	codec := app.Codecs()[r.Dialect]
	if codec == nil {
		return raw
	}
	response, err := codec.DecodeReply(llm.Operation(r.Operation), r.Answer.Body)
	if err != nil {
		return raw
	}
	a := judge.AnswerOf(response)
	for _, call := range a.Tools {
		a.Text += "\n[calls " + call.Name + "(" + call.Arguments + ")]"
	}
	return a.Text
}

// RolloutLabelIn is a person's word on a pair.
type RolloutLabelIn struct {
	RolloutIn
	Request string `json:"request_id" doc:"of the client's request"`
	Winner  string `json:"winner" doc:"baseline, candidate or tie"`
}

// RolloutLabelOut says what is kept.
type RolloutLabelOut struct {
	ID      string `json:"rollout"`
	Request string `json:"request_id"`
	RolloutLabel
}

func (s *Service) rolloutLabel(ctx context.Context, c Caller, in RolloutLabelIn) (RolloutLabelOut, error) {
	if err := known("winner", judge.Winner(in.Winner), []judge.Winner{judge.BaselineWins, judge.CandidateWins, judge.Tie}); err != nil {
		return RolloutLabelOut{}, err
	}
	st, err := s.rolloutNow(ctx, in.RolloutIn)
	if err != nil {
		return RolloutLabelOut{}, err
	}
	l := rollout.Label{Rollout: st.ID, Request: in.Request, Winner: in.Winner, By: c.Who.String()}
	if err := s.app.Rollouts.Say(ctx, l); err != nil {
		return RolloutLabelOut{}, err
	}
	return RolloutLabelOut{st.ID, in.Request, RolloutLabel{l.Winner, l.By}}, nil
}
