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
	"freehold/internal/auth"
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
	remote     string // the server's URL; empty: the one on this machine
	warned     bool   // that the file is refused and a server runs all the same
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
				return unknownCommand(c, args[0])
			}
			return c.Help()
		},
		Args:              cobra.ArbitraryArgs,
		PersistentPreRunE: func(c *cobra.Command, _ []string) error { return filled(c) },
	}
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.err)
	root.PersistentFlags().StringVar(&p.configFlag, "config", "", "configuration `FILE` (default $FREEHOLD_CONFIG, else ./config.yaml)")
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", ".FlagUsagesWrapped 80"))
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		p.upCommand(), p.serveCommand(), p.checkCommand(), p.chatCommand(),
		p.modelsCommand(), p.workloadsCommand(), p.explainCommand(), p.compareCommand(), p.whyCommand(), p.usageCommand(),
		p.engineCommand(), p.keysCommand(), p.historyCommand(), p.captureCommand(), p.perimeterCommand(), p.routeCommand(), p.rolloutCommand(),
		p.drillCommand(), p.exportCommand(), p.vectorsCommand(), p.embedCommand(), p.costCommand(),
		p.benchCommand(), p.mockCommand(), p.versionCommand(),
	)
	root.SetHelpCommand(helpCommand())
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" { // cobra's own answers a wrong shell with its help
			c.Args, c.RunE = cobra.ArbitraryArgs, onlyGroups
			for _, shell := range c.Commands() {
				shell.Args = takes(0, 0)
			}
		}
	}
	return root
}

// helpCommand is cobra's, but for the answer to a command that there is not.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Help about any command", Example: "  freehold help keys create", Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			switch {
			case err != nil:
				return err
			case len(rest) > 0:
				return unknownCommand(about, rest[0])
			}
			return about.Help()
		},
	}
}

const defaultConfig = "config.yaml"

// configPath is the configuration file that the command is about.
func (p *program) configPath() string {
	if p.configFlag != "" {
		return p.configFlag
	}
	if f := p.getenv("FREEHOLD_CONFIG"); f != "" {
		return f
	}
	return defaultConfig
}

// facts gives a command that prints facts its --json.
func (p *program) facts(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVar(&p.json, "json", false, "print JSON")
	return c
}

// changes gives a command that changes something its --reason.
func (p *program) changes(c *cobra.Command) *cobra.Command {
	c.Flags().StringVar(&p.reason, "reason", "", "say `WHY`, for the history")
	return c
}

// group is a command that only has commands below it.
func group(use, short, example string, below ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Example: example, Args: cobra.ArbitraryArgs, RunE: onlyGroups,
	}
	c.AddCommand(below...)
	return c
}

// onlyGroups is what a command says that cannot be run itself.
func onlyGroups(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return unknownCommand(c, args[0])
	}
	return hintedf(c.CommandPath()+" --help lists them", "%s needs a command", c.CommandPath())
}

// errNo is an answer of no that has been printed already.
var errNo = errors.New("no")

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
	var misuse usageError
	errors.As(err, &refused)
	switch {
	case errors.Is(err, errNo):
	case errors.As(err, &misuse):
		p.complain(misuse.Error(), misuse.hint)
	case errors.As(err, &bad):
		fmt.Fprintln(p.err, tameLines(bad.Error()))
	case refused != nil && refused.Code == admin.CodeConfig:
		fmt.Fprintln(p.err, tameLines(refused.Message))
	case refused != nil && err == error(refused): //nolint:errorlint // one that nothing was added to
		p.complain(refused.Message, p.hint(refused))
	case errors.Is(err, context.Canceled):
		p.complain("interrupted", "")
	default:
		p.complain(strings.TrimSpace(err.Error()), "")
	}
}

// hint is what an error says to do; of a key that is refused, where it comes from.
func (p *program) hint(e *admin.Error) string {
	switch auth.Code(e.Code) {
	case auth.CodeInvalidKey, auth.CodeExpiredKey, auth.CodeRevokedKey, auth.CodeScopeDenied:
		if e.Hint == "" && p.getenv(adminKey) != "" {
			return "the key is that of $" + adminKey
		}
	}
	return e.Hint
}

func (p *program) complain(message, hint string) {
	if !strings.HasPrefix(message, "freehold ") { // a command's name says whose message it is
		message = "freehold: " + message
	}
	n := width(p.err)
	fmt.Fprintln(p.err, folded(tameLines(message), n))
	if hint != "" {
		fmt.Fprintln(p.err, folded("  hint: "+tameLines(hint), n))
	}
}
