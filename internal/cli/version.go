package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"freehold/internal/app"
)

// build says what program this is.
type build struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

func (p *program) versionCommand() *cobra.Command {
	return p.facts(&cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  freehold version --json",
		Args:    takes(0, 0),
		RunE: func(*cobra.Command, []string) error {
			b := build{Version: app.Version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						b.Commit = s.Value
					}
				}
			}
			if p.json {
				return printJSON(p.out, b)
			}
			_, err := fmt.Fprintf(p.out, "freehold %s %s %s/%s\n", b.Version, b.Go, b.OS, b.Arch)
			return err
		},
	})
}
