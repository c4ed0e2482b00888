package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/spf13/cobra"

	"freehold/internal/admin"
	"freehold/internal/judge"
)

func (p *program) rolloutLabelCommand() *cobra.Command {
	var in admin.RolloutIn
	var winner judge.Winner
	limit := 20
	c := p.changes(p.facts(&cobra.Command{
		Use:   "label WORKLOAD [REQUEST_ID --winner WHO]",
		Short: "Say which of two answers is better, without knowing whose they are",
		Long: `label shows requests that both models answered, with the answers as A and B in
an order of chance, and takes a, b or tie (s skips one, q ends). What people say
tells how far the judge can be relied on: freehold rollout report shows it.

Texts are there only where the workload keeps them (capture); that they are
read, by whom and why, is in the history. With a request and --winner nothing is
shown, and the word is kept: baseline is the old model's answer.`,
		Example: `  freehold rollout label support-chat --reason "weekly sample"
  freehold rollout label mail 01936f5e-7c1a-7000-8000-1b2c3d4e5f60 --winner tie`,
		Args: takes(1, 2),
		RunE: func(c *cobra.Command, a []string) error {
			in.Workload = a[0]
			switch {
			case len(a) > 1 && winner == "":
				return usagef("--winner is missing: baseline, candidate or tie")
			case len(a) == 1 && winner != "":
				return usagef("name the request that --winner is about")
			case len(a) > 1:
				out, err := call(c.Context(), p, admin.RolloutLabelOf, admin.RolloutLabelIn{RolloutIn: in, Request: a[1], Winner: string(winner)})
				if err != nil || p.json {
					return p.done(out, err)
				}
				fmt.Fprintf(p.out, "%s: %s\n", out.Request, out.Winner)
				return nil
			}
			out, err := call(c.Context(), p, admin.RolloutPairs, admin.RolloutPairsIn{RolloutIn: in, Texts: true, Limit: limit, Reason: p.reason})
			if err != nil || p.json {
				return p.done(out, err)
			}
			if len(out.Pairs) == 0 {
				fmt.Fprintf(p.err, "no pair of %s has texts that you have not labelled: workloads.%s.capture.enabled: true keeps those of new requests\n", tame(in.Workload), tame(in.Workload))
				return nil
			}
			in.ID = out.ID
			return p.labels(c.Context(), in, out.Pairs, func() bool { return rand.IntN(2) == 0 })
		},
	}))
	c.Flags().Var(choice(&winner, judge.BaselineWins, judge.CandidateWins, judge.Tie), "winner", "`WHO` is better: baseline (the old model), candidate or tie")
	c.Flags().Var(whole(&limit, 1, admin.MaxLimit), "limit", "show at most `N`, the newest first")
	c.Flags().StringVar(&in.ID, "rollout", "", "of an earlier one: its `ID`")
	return c
}

// quoted marks each line of a text that a client or a model wrote, so that none can
// be taken for one of ours.
func quoted(text string) string { return "  | " + strings.ReplaceAll(tameLines(text), "\n", "\n  | ") }

// labels asks about pairs, one after the other. swap says whether the new model's
// answer is A.
func (p *program) labels(ctx context.Context, in admin.RolloutIn, pairs []admin.RolloutPair, swap func() bool) error {
	lines, said := bufio.NewReader(p.in), 0
	for i := range pairs {
		texts, err := call(ctx, p, admin.RolloutTexts, admin.RolloutTextsIn{RolloutIn: in, Request: pairs[i].Request, Reason: p.reason})
		var refused *admin.Error
		if errors.As(err, &refused) && refused.Code == admin.CodeNotFound {
			continue // it has expired, or was erased, since it was listed
		}
		if err != nil {
			return err
		}
		a, b, winners := texts.Old, texts.New, map[string]judge.Winner{"a": judge.BaselineWins, "b": judge.CandidateWins, "t": judge.Tie, "tie": judge.Tie}
		if swap() {
			a, b, winners["a"], winners["b"] = b, a, judge.CandidateWins, judge.BaselineWins
		}
		fmt.Fprintf(p.out, "--- request %d of %d\n%s\n\n--- A\n%s\n\n--- B\n%s\n\n", i+1, len(pairs), quoted(texts.Conversation), quoted(a), quoted(b))
		word, err := p.verdict(lines)
		if err != nil {
			return err
		}
		if word == "q" {
			break
		}
		if word == "s" {
			continue
		}
		if _, err := call(ctx, p, admin.RolloutLabelOf, admin.RolloutLabelIn{RolloutIn: in, Request: pairs[i].Request, Winner: string(winners[word])}); err != nil {
			return err
		}
		said++
	}
	fmt.Fprintf(p.out, "%s labelled\n", plural(said, "pair"))
	return nil
}

// verdict reads a, b, t, s or q; the end of the input is q.
func (p *program) verdict(lines *bufio.Reader) (string, error) {
	for {
		fmt.Fprint(p.out, "which is better? a, b, tie; s skips, q ends: ")
		line, err := lines.ReadString('\n')
		switch word := strings.ToLower(strings.TrimSpace(line)); word {
		case "a", "b", "t", "tie", "s", "q":
			fmt.Fprintln(p.out)
			return word, nil
		}
		if err != nil {
			fmt.Fprintln(p.out)
			if errors.Is(err, io.EOF) {
				return "q", nil
			}
			return "", err
		}
	}
}
