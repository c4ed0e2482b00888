package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"freehold/internal/mock"
)

func (p *program) mockCommand() *cobra.Command {
	o := mock.Options{Profile: mock.Any, Chunking: mock.ChunkWords}
	listen, speed := "127.0.0.1:0", 1.0
	var faults []string
	var record, upstream, replay string
	c := &cobra.Command{
		Use:   "mock",
		Short: "Play a provider, for tests without keys or network",
		Long: `mock plays a provider of language models in every dialect: its answers follow
from the prompt and the seed alone, and it fails when told to. It prints its URL
once it listens. Faults can also be set while it runs: PUT /mock/faults, or the
request header X-Mock-Fault.

A fault is KIND, then any of @WHEN, then any of :ARGUMENT. KIND is a status such
as 429, or auth, cut, cutclean, reset, stall, slow, errorevent, garbage, empty,
noend, nofinish, badutf8, dupkeys, hugeevent, refuse. WHEN is @3 (the third
request), @3+ (from it on), @3-5, @%3 (each third), @p0.1 (one in ten), @stream,
@plain, @model=NAME, @path=chat, @key=KEY. An ARGUMENT is a time (429:5s sends
Retry-After, slow:200ms waits before each event, stall:10s is silent) or a place
in the answer (cut:50%, cut:3e after three events, cut:100b after so many bytes,
stall:head). refuse closes the listener, and PUT /mock/faults with it: give it a
time (refuse:5s), or it lasts until the mock ends.`,
		Example: `  freehold mock --listen 127.0.0.1:9001 --fault 429@3
  freehold mock --fault cut@%5:50% --first-token 200ms --per-token 20ms
  freehold mock --record exchanges/ --upstream https://api.openai.com
  freehold mock --replay exchanges/ --speed 10`,
		Args: takes(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			for _, spec := range faults {
				fs, err := mock.ParseFaults(spec)
				if err != nil {
					return hintedf("freehold mock --help has the grammar", "--fault: %w", err)
				}
				o.Faults = append(o.Faults, fs...)
			}
			switch {
			case (record == "") != (upstream == ""), record != "" && replay != "":
				return usagef("give --record DIR with --upstream URL, or --replay DIR, or neither")
			case c.Flags().Changed("speed") && replay == "":
				return usagef("--speed is for a replay: give --replay DIR too")
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
	f.Var(address(&listen), "listen", "`ADDRESS` to listen on; port 0: a free one")
	f.Var(choice(&o.Profile, mock.Profiles()...), "profile", "which `PROVIDER` to play: "+strings.Join(texts(mock.Profiles()), ", "))
	f.StringArrayVar(&faults, "fault", nil, "fail: `SPEC` such as 429@3, cut, stall@2, slow:200ms, garbage, auth; several count apart")
	f.Uint64Var(&o.Seed, "seed", 0, "chooses the texts")
	f.StringSliceVar(&o.Keys, "key", nil, "`KEY` that is accepted; without one every key is")
	f.StringSliceVar(&o.Models, "model", nil, "`MODEL` that exists; without one every model does")
	f.Var(whole(&o.Context, 0, 10_000_000), "context", "most `TOKENS` of one input of a request for embeddings; 0: as the profile")
	f.Var(whole(&o.Words, 0, 100_000), "words", "answers of at least `N` words; 0: 24")
	f.Var(choice(&o.Chunking, mock.Chunkings()...), "chunks", "`PIECES` of a stream: "+strings.Join(texts(mock.Chunkings()), ", "))
	f.Var(span(&o.Latency.FirstToken), "first-token", "time before an answer begins")
	f.Var(span(&o.Latency.PerToken), "per-token", "time before each piece after the first")
	f.Var(span(&o.Latency.Jitter), "jitter", "most that is added to each of them")
	f.StringVar(&record, "record", "", "pass requests on to --upstream and keep the exchanges in `DIR`, secrets taken out")
	f.Var(base(&upstream), "upstream", "base `URL` of the real provider, for --record")
	f.StringVar(&replay, "replay", "", "answer from the recordings in `DIR`")
	f.Var(factor(&speed), "speed", "of a replay: 2 is twice as fast, 0 at once")
	return c
}

// scale is what a replay's times are multiplied by.
func scale(speed float64) float64 {
	if speed == 0 {
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
