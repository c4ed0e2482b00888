package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
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
	var record, upstream, replay string
	var speed float64
	c := &cobra.Command{
		Use:   "mock",
		Short: "Play a provider, for tests without keys or network",
		Long: `mock plays a provider of language models in every dialect: its answers follow
from the prompt and the seed alone, and it fails when told to. It prints its URL
once it listens. Faults can also be set while it runs: PUT /mock/faults, or the
request header X-Mock-Fault.`,
		Example: `  freehold mock --listen 127.0.0.1:9001 --fault 429@3
  freehold mock --fault cut@%5:50% --first-token 200ms --per-token 20ms
  freehold mock --record exchanges/ --upstream https://api.openai.com
  freehold mock --replay exchanges/ --speed 10`,
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
			switch {
			case (record == "") != (upstream == ""), record != "" && replay != "":
				return usagef("give --record DIR with --upstream URL, or --replay DIR, or neither")
			case record != "":
				r, err := mock.NewRecorder(upstream, record, nil, http.DefaultTransport, mock.SystemClock{})
				if err != nil {
					return err
				}
				return p.serveMock(c.Context(), listen, "recorder of "+upstream, r)
			case replay != "":
				r, err := mock.NewReplay(replay, scale(speed), mock.SystemClock{})
				if err != nil {
					return err
				}
				defer r.Close()
				return p.serveMock(c.Context(), listen, "replay of "+replay, r)
			}
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
	f.StringVar(&record, "record", "", "pass requests on to --upstream and keep the exchanges in `DIR`, secrets taken out")
	f.StringVar(&upstream, "upstream", "", "base `URL` of the real provider, for --record")
	f.StringVar(&replay, "replay", "", "answer from the recordings in `DIR`")
	f.Float64Var(&speed, "speed", 1, "of a replay: 2 is twice as fast, 0 at once")
	return c
}

// scale is what a replay's times are multiplied by.
func scale(speed float64) float64 {
	if speed <= 0 {
		return 0
	}
	return 1 / speed
}

// serveMock serves a recorder or a replay until ctx ends.
func (p *program) serveMock(ctx context.Context, listen, what string, h http.Handler) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	fmt.Fprintf(p.out, "mock %s ready at http://%s\n", what, l.Addr())
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return s.Close()
	}
}

func profiles() string {
	var names []string
	for _, n := range mock.Profiles() {
		names = append(names, string(n))
	}
	return strings.Join(names, ", ")
}
