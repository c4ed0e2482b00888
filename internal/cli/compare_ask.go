package cli

import (
	"context"
	"math"
	"time"

	"freehold/internal/admin"
	"freehold/internal/compare"
	"freehold/internal/judge"
	"freehold/internal/rollout"
)

// asideAsker asks through the administration of a server.
type asideAsker struct {
	server   admin.Runner
	workload string
	clock    func() time.Time
}

// Ask implements [compare.Asker].
func (a *asideAsker) Ask(ctx context.Context, row *compare.Row, model string) (compare.Asked, error) {
	out, err := admin.CompareAsk.Call(ctx, a.server, admin.CompareAskIn{
		Workload: a.workload, Model: model, Request: row.Request, DataClasses: row.Classes, Key: row.Key, Tenant: row.Tenant,
	})
	if err != nil {
		return compare.Asked{}, err
	}
	asked := compare.Asked{Answer: answered(&out.CompareAnswer, out.ID), NotAsked: out.NotAsked, Wait: milliseconds(out.Wait)}
	asked.Conversation, asked.Segments = out.Conversation, out.Segments
	return asked, nil
}

// Judge implements [compare.Asker].
func (a *asideAsker) Judge(ctx context.Context, row *compare.Row, model string, q judge.Prompt) (compare.Asked, error) {
	out, err := admin.CompareJudge.Call(ctx, a.server, admin.CompareJudgeIn{
		Workload: a.workload, Model: model, System: q.System, User: q.User, DataClasses: row.Classes, Key: row.Key, Tenant: row.Tenant,
	})
	if err != nil {
		return compare.Asked{}, err
	}
	return compare.Asked{Answer: answered(&out.CompareAnswer, out.ID), NotAsked: out.NotAsked, Wait: milliseconds(out.Wait)}, nil
}

// answered is an answer as package compare has it.
func answered(a *admin.CompareAnswer, id string) compare.Answer {
	out := compare.Answer{Answer: a.Answer, Request: id}
	out.Side = rollout.Side{FirstToken: milliseconds(a.FirstToken), Total: milliseconds(a.Total), In: a.TokensIn, Out: a.TokensOut, Cost: a.Cost}
	out.Side.Take(&out.Answer)
	return out
}

func milliseconds(ms float64) time.Duration {
	return time.Duration(math.Round(ms * float64(time.Millisecond)))
}
