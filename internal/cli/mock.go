package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"freehold/internal/mock"
)

func (p *program) mockCommand() *cobra.Command {
	var o mock.Options
	var listen, profile, chunking string
	var faults []string
	var first, token, jitter time.Duration
	c := &cobra.Command{
		Use:   "mock",
		Short: "Play a provider, for tests without keys or network",
		Long: `mock plays a provider of language models in every dialect: its answers follow
from the prompt and the seed alone, and it fails when told to. It prints its URL
once it listens. Faults can also be set while it runs: PUT /mock/faults, or the
request header X-Mock-Fault.`,
		Example: `  freehold mock --listen 127.0.0.1:9001 --fault 429@3
  freehold mock --fault cut:50%@%5 --first-token 200ms --per-token 20ms`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			o.Profile, o.Chunking = mock.Profile(profile), mock.Chunking(chunking)
			if !slices.Contains(mock.Profiles(), o.Profile) {
				return usagef("--profile %q is not known: %s", profile, profiles())
			}
			switch o.Chunking {
			case mock.ChunkWords, mock.ChunkRandom, mock.ChunkRunes, mock.ChunkWhole:
			default:
				return usagef("--chunks %q is not known: words, random, runes, whole", chunking)
			}
			for _, spec := range faults {
				fs, err := mock.ParseFaults(spec)
				if err != nil {
					return usageError{err}
				}
				o.Faults = append(o.Faults, fs...)
			}
			o.Latency = mock.Latency{FirstToken: first, PerToken: token, Jitter: jitter}
			s := mock.New(o)
			if err := s.Start(listen); err != nil {
				return errors.Join(err, s.Close())
			}
			fmt.Fprintf(p.out, "mock provider ready at %s\n", s.URL())
			<-c.Context().Done()
			return s.Close()
		},
	}
	f := c.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:0", "`ADDRESS` to listen on; port 0: a free one")
	f.StringVar(&profile, "profile", string(mock.Any), "which provider to play: "+profiles())
	f.StringArrayVar(&faults, "fault", nil, "fail: `SPEC` such as 429@3, cut, stall@2, slow:200ms, garbage, auth; several count apart")
	f.Uint64Var(&o.Seed, "seed", 0, "chooses the texts")
	f.StringSliceVar(&o.Keys, "key", nil, "`KEY` that is accepted; without one every key is")
	f.StringSliceVar(&o.Models, "model", nil, "`MODEL` that exists; without one every model does")
	f.IntVar(&o.Words, "words", 0, "least length of an answer in words; 0: 24")
	f.StringVar(&chunking, "chunks", string(mock.ChunkWords), "pieces of a stream: words, random, runes, whole")
	f.DurationVar(&first, "first-token", 0, "time before an answer begins")
	f.DurationVar(&token, "per-token", 0, "time before each piece after the first")
	f.DurationVar(&jitter, "jitter", 0, "most that is added to each of them")
	return c
}

func profiles() string {
	var names []string
	for _, n := range mock.Profiles() {
		names = append(names, string(n))
	}
	return strings.Join(names, ", ")
}
