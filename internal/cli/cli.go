// Package cli is freehold's command line: one file a command, assembled here.
//
// Commands that ask or change something run an operation of package admin:
// over the socket of the running server if there is one, else on the state
// itself. Facts go to standard output, as a table or with --json as JSON;
// everything else goes to standard error. Exit codes: 0 done; 1 the answer is
// no, or the work failed; 2 the command line or the configuration is wrong.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"freehold/internal/admin"
	"freehold/internal/app"
)

// program is one run of the command line.
type program struct {
	in       io.Reader
	out, err io.Writer
	clock    func() time.Time
	getenv   func(string) string

	configFlag string
	json       bool
	reason     string
}

// Main runs the command line of this process and returns its exit code.
func Main() int {
	p := &program{in: os.Stdin, out: os.Stdout, err: os.Stderr, clock: time.Now, getenv: os.Getenv}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for an end; with the handler gone, a second one
	// ends the process at once.
	context.AfterFunc(ctx, stop)
	defer stop()
	return p.run(ctx, os.Args[1:])
}

// run executes one command line.
func (p *program) run(ctx context.Context, args []string) int {
	root := p.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil {
		p.report(err)
	}
	return exitCode(err)
}

// root is the whole command tree.
func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "freehold",
		Short: "Stand between applications and whoever serves their language models",
		Long: `freehold is a gateway for language models: applications that speak OpenAI or
Anthropic point their base URL at it, and config.yaml decides who answers.`,
		Example: `  freehold up
  freehold check && freehold serve`,
		SilenceErrors: true, SilenceUsage: true,
		Version: app.Version,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("there is no command %q; freehold --help lists them", args[0])
			}
			return c.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.err)
	root.PersistentFlags().StringVar(&p.configFlag, "config", "", "configuration `FILE` (default $FREEHOLD_CONFIG, else ./config.yaml)")
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", ".FlagUsagesWrapped 80"))
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usagef("%w; see %s --help", err, c.CommandPath())
	})
	root.AddCommand(
		p.upCommand(), p.serveCommand(), p.checkCommand(), p.chatCommand(),
		p.modelsCommand(), p.workloadsCommand(), p.explainCommand(), p.whyCommand(), p.usageCommand(),
		p.engineCommand(), p.keysCommand(), p.historyCommand(), p.captureCommand(), p.benchCommand(), p.mockCommand(), p.versionCommand(),
	)
	return root
}

// configPath is the configuration file that the command is about.
func (p *program) configPath() string {
	if p.configFlag != "" {
		return p.configFlag
	}
	if f := p.getenv("FREEHOLD_CONFIG"); f != "" {
		return f
	}
	return "config.yaml"
}

// facts gives a command that prints facts its --json.
func (p *program) facts(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVar(&p.json, "json", false, "print JSON")
	return c
}

// changes gives a command that changes something its --reason.
func (p *program) changes(c *cobra.Command) *cobra.Command {
	c.Flags().StringVar(&p.reason, "reason", "", "`WHY`, for the history")
	return c
}

// group is a command that only has commands below it.
func group(use, short, example string, below ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Example: example, Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("%s has no command %q; see %s --help", c.CommandPath(), args[0], c.CommandPath())
			}
			return usagef("%s needs a command; see %s --help", c.CommandPath(), c.CommandPath())
		},
	}
	c.AddCommand(below...)
	return c
}

// usageError is a command line that cannot be meant.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func (e usageError) Unwrap() error { return e.error }

// errNo is an answer of no that has been printed already.
var errNo = errors.New("no")

// args makes wrong arguments usage errors.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, a []string) error {
		if err := check(c, a); err != nil {
			return usagef("%w: %s", err, c.UseLine())
		}
		return nil
	}
}

// exitCode is what the process ends with.
func exitCode(err error) int {
	var usage usageError
	var bad *app.ConfigError
	var refused *admin.Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage), errors.As(err, &bad):
		return 2
	case errors.As(err, &refused) && (refused.Code == admin.CodeConfig || refused.Code == admin.CodeInvalid):
		return 2
	}
	return 1
}

// report prints an error: diagnostics as they are, others with their hint on
// a line of its own.
func (p *program) report(err error) {
	var bad *app.ConfigError
	var refused *admin.Error
	errors.As(err, &refused)
	switch {
	case errors.Is(err, errNo):
	case errors.As(err, &bad):
		fmt.Fprintln(p.err, tameLines(bad.Error()))
	case refused != nil && refused.Code == admin.CodeConfig:
		fmt.Fprintln(p.err, tameLines(refused.Message))
	case refused != nil && err == error(refused): //nolint:errorlint // one that nothing was added to
		fmt.Fprintln(p.err, "freehold:", tameLines(refused.Message))
		if refused.Hint != "" {
			fmt.Fprintln(p.err, "  hint:", tameLines(refused.Hint))
		}
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(p.err, "freehold: interrupted")
	default:
		fmt.Fprintln(p.err, "freehold:", tameLines(strings.TrimSpace(err.Error())))
	}
}
