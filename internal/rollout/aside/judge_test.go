package aside_test

import (
	"testing"

	"freehold/internal/fleet"
	"freehold/internal/judge"
	"freehold/internal/rollout/aside"
)

// TestContestantFamily: a model of the maker of one that is judged does not judge,
// whatever the two are called, and wherever they are served.
func TestContestantFamily(t *testing.T) {
	model := func(name string, deployments ...*fleet.Deployment) judge.Model {
		return aside.Contestant(&fleet.Model{Name: name, Deployments: deployments}, "")
	}
	old := model("old", &fleet.Deployment{ID: "gpt-4o", Maker: "OpenAI"}, &fleet.Deployment{ID: "azure-name", Maker: "OpenAI"})
	young := model("new", &fleet.Deployment{ID: "Qwen/Qwen2.5-72B-Instruct", Maker: "Alibaba"})
	if got, err := judge.Choose([]judge.Model{
		model("small", &fleet.Deployment{ID: "gpt-oss-20b", Maker: "OpenAI"}),
		model("mixed", &fleet.Deployment{ID: "unknown"}, &fleet.Deployment{ID: "qwen-max", Maker: "Alibaba"}),
		model("fit", &fleet.Deployment{ID: "llama-3.1-70b", Maker: "Meta"}),
	}, old, young); err != nil || got.Name != "fit" {
		t.Errorf("chosen: %+v %v", got, err)
	}
	if got, err := judge.Choose([]judge.Model{model("own", &fleet.Deployment{ID: "tuned"})}, old, young, model("other", &fleet.Deployment{ID: "else"})); err != nil || got.Name != "own" {
		t.Errorf("of unknown makers: %+v %v", got, err)
	}
}
