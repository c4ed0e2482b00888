package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"freehold/internal/admin"
	"freehold/internal/app"
	"freehold/internal/fleet"
	"freehold/internal/jsondoor"
)

func (p *program) explainCommand() *cobra.Command {
	in := admin.ExplainIn{Dialect: "openai"}
	c := p.facts(&cobra.Command{
		Use:   "explain WORKLOAD [PROMPT | FILE | -]",
		Short: "Show who would answer, without sending anything",
		Long: `explain plans a request as the gateway would, and sends nothing: who may answer,
in which order, what excluded every other deployment, and which rule decided,
with the values that it saw. The request is a prompt, a file with one, or a file
with a whole JSON request (what begins with {" is one); - reads standard input.
Where the file differs from what a running server has, the file decides, and
that is said: so an edit can be seen before it goes live.
It ends with 1 if the request would be refused.`,
		Example: `  freehold explain chat "Summarize this ticket"
  freehold explain support-chat request.json --data-class restricted
  freehold explain chat "Hi" --key team-blue --tag batch --max-tokens 500`,
		Args: takes(1, 2),
		RunE: func(c *cobra.Command, a []string) error {
			in.Workload = a[0]
			if len(a) > 1 {
				text, err := p.prompt(a[1])
				if err != nil {
					return err
				}
				if !jsonRequest(text) {
					in.Prompt = text
				} else if in.Body = json.RawMessage(text); !json.Valid(in.Body) || !utf8.Valid(in.Body) {
					return notJSON(in.Body)
				}
			}
			if c.Flags().Changed("max-tokens") && in.MaxTokens < 1 {
				return usagef("--max-tokens is %d; it must be at least 1", in.MaxTokens)
			}
			out, serves, err := p.plan(c.Context(), in)
			if err != nil {
				return err
			}
			if p.json {
				err = printJSON(p.out, out)
			} else {
				p.printExplain(out)
			}
			switch {
			case serves != "":
				fmt.Fprintf(p.err, "planned by %s as it is now (%s), and the server runs with another configuration (%s): health is not known\n",
					tame(p.configPath()), out.ConfigVersion, serves)
			case !out.Live:
				fmt.Fprintln(p.err, "no server runs: health is not known")
			}
			if err == nil && out.Refused != nil {
				err = errNo
			}
			return err
		},
	})
	f := c.Flags()
	f.StringSliceVar(&in.DataClasses, "data-class", nil, "add a data `CLASS` to the request")
	f.StringSliceVar(&in.Tags, "tag", nil, "add a `TAG` to the request")
	f.StringVar(&in.Key, "key", "", "plan for a virtual key: its `ID or NAME`")
	f.StringVar(&in.Tenant, "tenant", "", "plan for a tenant that is known by a header: its `NAME`")
	f.Int64Var(&in.MaxTokens, "max-tokens", 0, "limit of the answer in `TOKENS`")
	f.BoolVar(&in.Stream, "stream", false, "the answer is streamed")
	f.BoolVar(&in.Tools, "tools", false, "the request has a tool")
	f.BoolVar(&in.Images, "images", false, "the request has an image")
	f.BoolVar(&in.JSON, "json-answer", false, "the request asks for JSON")
	f.Var(choice(&in.Dialect, slices.Sorted(maps.Keys(app.Codecs()))...), "dialect", "`DIALECT` of a JSON request: openai or anthropic")
	return c
}

// plan asks the running server, if it runs with what the file says. Else the file
// decides, so that an edit can be seen before it goes live, and serves is the
// version that the server has.
func (p *program) plan(ctx context.Context, in admin.ExplainIn) (out admin.ExplainOut, serves string, err error) {
	if p.remote != "" {
		out, err = call(ctx, p, admin.Explain, in)
		return out, "", err
	}
	cfg, ds := p.lenient()
	if cfg == nil && p.configFlag != "" {
		return out, "", &app.ConfigError{Diagnostics: ds}
	}
	server := p.server(ctx)
	if server == nil || cfg == nil {
		out, err = call(ctx, p, admin.Explain, in)
		return out, "", err
	}
	st, err := admin.Status.Call(ctx, server, admin.None{})
	if err != nil {
		return out, "", err
	}
	if st.ConfigVersion == fleet.Version(cfg.Identity()) {
		out, err = admin.Explain.Call(ctx, server, in)
		return out, "", err
	}
	r, done, err := p.local(ctx)
	if err != nil {
		return out, "", err
	}
	defer finish(&err, done)
	out, err = admin.Explain.Call(ctx, r, in)
	return out, st.ConfigVersion, err
}

// jsonRequest reports a text that is meant as a request, whole or not. What
// begins with a brace can be a prompt too; few prompts begin like an object.
func jsonRequest(text string) bool {
	inner, ok := strings.CutPrefix(strings.TrimSpace(strings.TrimPrefix(text, "\ufeff")), "{")
	inner = strings.TrimSpace(inner)
	return ok && (inner == "" || inner[0] == '"' || inner[0] == '}')
}

// notJSON says where a request stops being JSON, as the gateway would: it cannot
// be handed on as it is.
func notJSON(body []byte) error {
	doc, err := jsondoor.Parse(body, nil)
	doc.Release()
	return fmt.Errorf("the request begins as JSON and would be refused: %w (a prompt that begins like this can be put into the messages of a request)", err)
}

// prompt reads an argument that is a text, the name of a file with one, or -.
func (p *program) prompt(arg string) (string, error) {
	if arg == "-" {
		text, err := io.ReadAll(p.in)
		return string(text), err
	}
	if len(arg) < 4096 && !strings.Contains(arg, "\n") {
		text, err := os.ReadFile(arg)
		if err == nil {
			return string(text), nil
		}
		if !errors.Is(err, os.ErrNotExist) && exists(arg) {
			return "", usagef("%q cannot be read as a prompt or a request: %w", arg, err)
		}
	}
	return arg, nil
}

// printVariants tells how the request is put to models, each once.
func (p *program) printVariants(candidates []admin.Candidate) {
	told := map[string]bool{}
	for _, c := range candidates {
		v := c.Variant
		if v == nil || told[c.Model] {
			continue
		}
		if len(told) == 0 {
			fmt.Fprintln(p.out, "\nput in another way")
		}
		told[c.Model] = true
		fmt.Fprintln(p.out, "  "+tame(c.Model+": "+variantText(v)))
	}
}

// variantText says in a line what a variant does.
func variantText(v *admin.Variant) string {
	what := "version " + v.Version
	if v.SystemBytes > 0 {
		from := "config.yaml"
		if v.SystemFile != "" {
			from = v.SystemFile
		}
		what += fmt.Sprintf(", system prompt of %s (%s, %s bytes)", from, v.SystemMode, count(int64(v.SystemBytes)))
	}
	for i, name := range slices.Sorted(maps.Keys(v.Params)) {
		what += listed(i, "sets ") + name + " " + string(v.Params[name])
	}
	for i, name := range v.Strip {
		what += listed(i, "takes out ") + name
	}
	return what
}

// listed is what stands before the i-th thing of a list that begins with what.
func listed(i int, what string) string {
	if i == 0 {
		return "; " + what
	}
	return ", "
}

func (p *program) printExplain(e admin.ExplainOut) {
	kind := e.Kind
	if kind == "alias" {
		kind = "alias of workload " + e.Workload
	}
	if e.Stands != "" {
		kind += ", whose model is that of " + e.Stands
	}
	p.fields("asked", e.Asked, "is a", kind, "tenant", e.Tenant, "data classes", strings.Join(e.DataClasses, ", "),
		"detected", detected(e.Detected), "features", strings.Join(e.Features, ", "), "prompt", "about "+plural(int(e.PromptTokens), "token"),
		"language", e.Language, "task", task(e.Prompt), "rollout", inRollout(e.Rollout))
	for _, d := range e.Detectors {
		does := map[string]string{"tighten": "adds " + strings.Join(d.DataClasses, ", "), "redact": "redacts", "block": "blocks"}[d.OnHit]
		p.say(fmt.Sprintf("detector %s at %s is asked first, and %s on a hit; it was not asked now", d.Name, d.URL, does))
	}
	p.printRulings(e.Rules)
	if e.KeyDraws {
		p.say("  draw depends on the key, and this is that of no key: --key names one")
	}
	if len(e.Candidates) > 0 {
		fmt.Fprintln(p.out)
		t := table{columns: []column{{head: "#", right: true, keep: true}, {head: "DEPLOYMENT"}, {head: "BECAUSE", whole: true}, {head: "CL", right: true, keep: true, below: true},
			{head: "HEALTH", keep: true, below: true}, {head: "PRICE IN/OUT PER 1M", right: true, keep: true, below: true}}}
		for _, c := range e.Candidates {
			t.row(strconv.Itoa(c.Order), c.Name, c.Reason, strconv.Itoa(c.Class), c.Health.State, price(c.Price))
		}
		p.print(&t)
		p.printVariants(e.Candidates)
	}
	p.printCascade(e.Cascade)
	if len(e.Excluded) > 0 {
		fmt.Fprintln(p.out, "\nnot asked")
		for _, x := range e.Excluded {
			by := ""
			if x.Policy {
				by = "forbidden: "
			}
			p.say("  " + x.Deployment + ": " + by + x.Reason)
		}
	}
	if e.Warned != "" {
		fmt.Fprintln(p.out, "\nbudget")
		p.say("  warns of " + e.Warned + ": " + e.Over)
	}
	if r := e.Refused; r != nil {
		fmt.Fprintln(p.out)
		p.sayLines("refused with " + r.Code + ": " + r.Message)
		if r.Hint != "" {
			p.sayLines("  hint: " + r.Hint)
		}
	}
}

// inRollout is the part of a request in a rollout, in words.
func inRollout(r *admin.RolloutPart) string {
	if r == nil {
		return ""
	}
	return r.To + ", " + r.Arm + ": " + r.Where
}

// printCascade tells what is asked before the candidates.
func (p *program) printCascade(c *admin.Cascade) {
	if c == nil {
		return
	}
	fmt.Fprintln(p.out, "\ncascade")
	if !c.Asked {
		p.say("  " + c.Model + " is not asked first: " + c.Skip)
		return
	}
	how := plural(c.Attempts, "attempt") + ", kept if they agree"
	if c.By == "logprobs" {
		how = fmt.Sprintf("kept from a margin of %.3g", c.Margin)
	}
	cost := "of unknown cost"
	if c.Most.Valid {
		cost = "at most " + costOf(c.Most, "USD")
	}
	p.say("  " + c.Deployment + " is asked first: " + how + ", " + cost)
	if c.Variant != nil {
		p.say("  put in another way: " + variantText(c.Variant))
	}
	if n := c.Kept + c.Escalated; n > 0 {
		fmt.Fprintf(p.out, "  so far %s kept, %s escalated\n", count(c.Kept), count(c.Escalated))
	}
}

// task is what the prompt asks for, in words.
func task(c *admin.Prompt) string {
	if c == nil {
		return ""
	}
	unsure := ""
	if c.Unsure {
		unsure = ", too little: rules see no task"
	}
	return fmt.Sprintf("%s (confidence %.2f%s), complexity %.2f", c.Task, c.Confidence, unsure, c.Complexity)
}

func (p *program) printRulings(rules []admin.Ruling) {
	if len(rules) == 0 {
		return
	}
	fmt.Fprintln(p.out, "\nrules")
	for _, r := range rules {
		dry := ""
		if r.Dry {
			dry = " (dry)"
		}
		p.say("  " + r.Name + dry + ": " + strings.Join(strings.Fields(r.When), " ") + " -> " + r.Model + ": " + r.Outcome)
		switch {
		case r.Error != "":
			p.say("    " + r.Error)
		case r.Values != "":
			p.say("    " + r.Values)
		}
	}
}
