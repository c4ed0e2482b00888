package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/shopspring/decimal"

	"freehold/internal/admin"
)

// serving is the running server, or one that is started for this command until stop is
// called.
func (p *program) serving(ctx context.Context) (s *admin.Client, stop func() error, err error) {
	if s = p.server(ctx); s != nil {
		return s, func() error { return nil }, nil
	}
	fmt.Fprintln(p.err, "no server runs: one is started for this command")
	if stop, err = p.serveFor(ctx); err != nil {
		return nil, nil, err
	}
	if s = p.server(ctx); s == nil {
		return nil, nil, errors.Join(errors.New("the server cannot be reached by commands"), stop())
	}
	return s, stop, nil
}

// goOn asks whether to spend money, where nobody has agreed yet and there is somebody to ask.
func (p *program) goOn(agreed bool, most decimal.NullDecimal) error {
	switch {
	case agreed:
		return nil
	case terminal(p.in) && terminal(p.err):
		fmt.Fprint(p.err, "go on? [y/N] ")
		line, err := bufio.NewReader(p.in).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if a := strings.ToLower(strings.TrimSpace(line)); a == "y" || a == "yes" {
			return nil
		}
		return errors.New("nothing was asked")
	case most.Valid:
		return nil
	}
	return hintedf("--yes goes on, --max-cost MONEY goes on within a limit", "this may cost money, and there is no terminal to ask on: nothing was asked")
}
