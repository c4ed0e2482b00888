package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"freehold/internal/admin"
	"freehold/internal/ledger"
)

// chatted is an answer for programs. Model and provider began it; Seams say who
// went on, and are null where what is on record cannot be read.
type chatted struct {
	Text       string        `json:"text"`
	RequestID  string        `json:"request_id"`
	Workload   string        `json:"workload"`
	Model      string        `json:"model"`
	Provider   string        `json:"provider"`
	Attempts   int           `json:"attempts"`
	Seams      []ledger.Seam `json:"seams"`
	Route      string        `json:"route"`
	Finish     string        `json:"finish_reason"`
	TokensIn   int64         `json:"tokens_in"`
	TokensOut  int64         `json:"tokens_out"`
	FirstToken float64       `json:"first_token_ms"`
	Total      float64       `json:"total_ms"`
}

func (p *program) chatCommand() *cobra.Command {
	var at gatewayFlags
	var system string
	var maxTokens int
	var classes []string
	c := p.facts(&cobra.Command{
		Use:   "chat [WORKLOAD] [PROMPT]",
		Short: "Ask one question through the gateway",
		Long: `chat sends one question through the gateway, as an application would, shows the
answer as it comes, and says on standard error which model answered and why, and
where another one went on with an answer that was cut.
Without a WORKLOAD it takes the one named chat, or the only one there is;
without a PROMPT it reads standard input.`,
		Example: `  freehold chat "What is a freehold?"
  freehold chat support-chat "Where is my parcel?"
  git diff | freehold chat --system "Review this."`,
		Args: takes(0, 2),
		RunE: func(c *cobra.Command, a []string) error {
			workload, prompt, err := p.question(c.Context(), at, a)
			if err != nil {
				return err
			}
			q := question{Model: workload, Stream: true, MaxTokens: maxTokens}
			if system != "" {
				q.Messages = append(q.Messages, message{"system", system})
			}
			q.Messages = append(q.Messages, message{"user", prompt})
			h := http.Header{}
			if len(classes) > 0 {
				h.Set("X-Freehold-Data-Class", strings.Join(classes, ","))
			}
			return p.chat(c.Context(), at, q, h)
		},
	})
	at.flags(c)
	c.Flags().StringVar(&system, "system", "", "system `TEXT`")
	c.Flags().Var(whole(&maxTokens, 0, math.MaxInt), "max-tokens", "at most `N` tokens of answer; 0: the provider's own limit")
	c.Flags().StringSliceVar(&classes, "data-class", nil, "add a data `CLASS` to the request")
	return c
}

// question finds out which of workload and prompt the arguments are.
func (p *program) question(ctx context.Context, at gatewayFlags, a []string) (workload, prompt string, err error) {
	if len(a) == 2 {
		return a[0], a[1], nil
	}
	known, err := p.names(ctx, at)
	if err != nil {
		return "", "", err
	}
	switch {
	case len(a) == 1 && known.has(a[0]):
		workload = a[0]
	case len(a) == 1:
		prompt = a[0]
	}
	if workload == "" {
		if workload = known.usual(); workload == "" {
			return "", "", errWhich
		}
	}
	if prompt == "" {
		if terminal(p.in) {
			fmt.Fprintln(p.err, "your question, then Ctrl-D:")
		}
		text, err := io.ReadAll(p.in)
		if err != nil {
			return "", "", err
		}
		if prompt = strings.TrimSpace(string(text)); prompt == "" {
			return "", "", hintedf("give one as an argument, or write it to standard input", "there is no prompt")
		}
	}
	return workload, prompt, nil
}

// errWhich is a command line that names no workload, where there are several.
var errWhich = hintedf("freehold workloads lists them", "name a workload: there is neither a single one nor one called chat")

func (p *program) chat(ctx context.Context, at gatewayFlags, q question, h http.Header) (err error) {
	g, err := p.reach(ctx, at)
	if err != nil {
		return err
	}
	defer finish(&err, g.stop)
	show := func(text string) error {
		if p.json {
			return nil
		}
		if terminal(p.out) { // who reads the answer elsewhere gets it as it is
			text = tameLines(text)
		}
		_, err := io.WriteString(p.out, text)
		return err
	}
	r, err := g.ask(ctx, q, h, p.clock, show)
	if r != nil && r.Text != "" && !p.json {
		fmt.Fprintln(p.out)
	}
	if err != nil {
		return err
	}
	out := chatted{
		Text: r.Text, RequestID: r.Header.Get("X-Request-Id"), Workload: r.Header.Get("X-Freehold-Workload"),
		Model: r.Header.Get("X-Freehold-Model"), Provider: r.Header.Get("X-Freehold-Provider"),
		Route: r.Header.Get("X-Freehold-Route"), Finish: r.Finish, TokensIn: r.Usage.In, TokensOut: r.Usage.Out,
		FirstToken: float64(r.FirstToken.Microseconds()) / 1000, Total: float64(r.Total.Microseconds()) / 1000,
	}
	begun, err := strconv.Atoi(r.Header.Get("X-Freehold-Attempts"))
	if err != nil {
		return fmt.Errorf("%s is no freehold: its answer does not say how many attempts it took", g.url)
	}
	out.Attempts = begun
	// The headers were sent when the answer began; what came of it is on record.
	switch record, err := g.why(ctx, out.RequestID); {
	case err == nil:
		out.Attempts, out.Seams = len(record.Attempts), record.Seams
	case !refusedTo(err):
		fmt.Fprintln(p.err, "whether another deployment went on with the answer is not known:", tameLines(err.Error()))
	}
	if p.json {
		return printJSON(p.out, out)
	}
	why := out.Route
	if begun > 1 {
		why += fmt.Sprintf(", after %d attempts", begun)
	}
	fmt.Fprintf(p.err, "-- %s at %s answered (%s) in %s, first words after %s; %d tokens in, %d out\n",
		tame(out.Model), tame(out.Provider), tame(why), millis(out.Total), millis(out.FirstToken), out.TokensIn, out.TokensOut)
	for _, s := range out.Seams {
		fmt.Fprintln(p.err, "--", seam(s))
	}
	fmt.Fprintf(p.err, "-- freehold why %s\n", tame(out.RequestID))
	return nil
}

// refusedTo reports whether an error says that the caller may not administer:
// who asks a gateway elsewhere has a key for answers only.
func refusedTo(err error) bool {
	var e *admin.Error
	return errors.As(err, &e) && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden || e.Status == http.StatusNotFound)
}

// seam says where and how another deployment went on with an answer.
func seam(s ledger.Seam) string {
	return fmt.Sprintf("seam after %s characters: %s took over from %s (%s, because of %s)", count(s.Offset), tame(s.To), tame(s.From), tame(s.Method), tame(s.Cause))
}
