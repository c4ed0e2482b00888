package judge_test

import (
	"errors"
	"reflect"
	"testing"

	"freehold/internal/judge"
)

func TestChoose(t *testing.T) {
	baseline := judge.Model{Name: "gpt-4o", Families: []string{"gpt"}}
	candidate := judge.Model{Name: "llama-3.1-70b", Weights: []string{"w1"}, Families: []string{"llama-3"}}
	models := []judge.Model{
		{Name: "claude", Families: []string{"claude"}, Denied: "class 2 must not leave the EU"},
		{Name: "gpt-4o", Families: []string{"gpt"}},
		{Name: "llama-again", Weights: []string{"w1"}},
		{Name: "llama-3.1-8b", Weights: []string{"w2"}, Families: []string{"llama-3"}},
		{Name: "qwen", Families: []string{"qwen"}, Denied: ""},
		{Name: "unknown"},
	}
	if m, err := judge.Choose(models, baseline, candidate); err != nil || m.Name != "qwen" {
		t.Errorf("%+v, %v", m, err)
	}
	if m, err := judge.Choose(models[5:], baseline, candidate); err != nil || m.Name != "unknown" {
		t.Errorf("%+v, %v", m, err)
	}
	several := judge.Model{Name: "several", Families: []string{"x", "qwen"}}
	if m, err := judge.Choose(models[4:], several); err != nil || m.Name != "unknown" {
		t.Errorf("one of several families: %+v, %v", m, err)
	}
	if m, err := judge.Choose(models[5:], judge.Model{Name: "unknown, too"}); err != nil || m.Name != "unknown" {
		t.Errorf("%+v, %v", m, err)
	}
	_, err := judge.Choose(models[:4], baseline, candidate)
	var none *judge.NoJudgeError
	want := []judge.Refusal{
		{Model: "claude", Why: "may not see the texts: class 2 must not leave the EU"},
		{Model: "gpt-4o", Why: "is one of those judged"},
		{Model: "llama-again", Why: "has the weights of llama-3.1-70b"},
		{Model: "llama-3.1-8b", Why: "is of the family of llama-3.1-70b (llama-3)"},
	}
	if !errors.As(err, &none) || !reflect.DeepEqual(none.Refusals, want) {
		t.Errorf("%v", err)
	}
	if _, err := judge.Choose(nil, baseline); err == nil || err.Error() != "no model is named that could judge" {
		t.Errorf("%v", err)
	}
}
