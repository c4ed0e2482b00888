package pinecone

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"freehold/internal/vector"
)

// index is what the control plane says of one.
type index struct {
	Name       string `json:"name"`
	Dimension  int    `json:"dimension"`
	Metric     string `json:"metric"`
	Host       string `json:"host"`
	VectorType string `json:"vector_type"`
	Spec       struct {
		Serverless *struct {
			Cloud  string `json:"cloud"`
			Region string `json:"region"`
		} `json:"serverless"`
		Pod *struct {
			Environment string `json:"environment"`
			PodType     string `json:"pod_type"`
			Pods        int    `json:"pods"`
			Replicas    int    `json:"replicas"`
			Shards      int    `json:"shards"`
		} `json:"pod"`
		BYOC *struct {
			Environment string `json:"environment"`
		} `json:"byoc"`
	} `json:"spec"`
	Status struct {
		Ready bool   `json:"ready"`
		State string `json:"state"`
	} `json:"status"`
	Embed *struct {
		Model string `json:"model"`
	} `json:"embed"`
}

func (s *Store) describeIndex(ctx context.Context) (*index, error) {
	var ix index
	if err := s.ask(ctx, "describe index", http.MethodGet, "/indexes/"+url.PathEscape(s.o.Index), nil, &ix); err != nil {
		return nil, err
	}
	return &ix, nil
}

// createIndex makes a serverless index and waits until it can be used.
func (s *Store) createIndex(ctx context.Context, dim int, metric, vectorType string) error {
	body := map[string]any{
		"name": s.o.Index, "metric": metric, "vector_type": vectorType,
		"spec": map[string]any{"serverless": map[string]any{"cloud": s.o.Cloud, "region": s.o.Region}},
	}
	if dim > 0 {
		body["dimension"] = dim
	}
	var ix index
	err := s.ask(ctx, "create index", http.MethodPost, "/indexes", body, &ix)
	for n := 0; err == nil; n++ {
		if ix.Status.Ready && ix.Host != "" {
			if s.conn.Load() != nil {
				return nil
			}
			return s.connect(ix.Host)
		}
		if ix.Status.State == "InitializationFailed" || ix.Status.State == "Terminating" || ix.Status.State == "Disabled" {
			return &vector.Error{Trouble: vector.Invalid, Store: s.name, Doing: "create index", Message: "its state is " + ix.Status.State}
		}
		if err := s.o.Sleep(ctx, min(10*time.Second, time.Second<<min(n, 4))); err != nil {
			return err
		}
		var now *index
		if now, err = s.describeIndex(ctx); err == nil {
			ix = *now
		}
	}
	return err
}

// ask asks the control plane.
func (s *Store) ask(ctx context.Context, doing, method, path string, body, out any) error {
	fail := func(trouble vector.Trouble, message string, cause error) *vector.Error {
		return &vector.Error{Trouble: trouble, Store: s.name, Doing: doing, Message: message, Cause: cause}
	}
	var text io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return fail(vector.Invalid, "", err)
		}
		text = bytes.NewReader(b)
	}
	within, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(within, method, strings.TrimSuffix(s.o.Control, "/")+path, text)
	if err != nil {
		return fail(vector.Invalid, "", err)
	}
	req.Header.Set("Api-Key", s.o.Key)
	req.Header.Set("X-Pinecone-Api-Version", version)
	req.Header.Set("User-Agent", "freehold")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.control.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fail(vector.Unavailable, "the control plane does not answer", err)
	}
	defer resp.Body.Close()
	const most = 4 << 20
	answer, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fail(vector.Unavailable, "the control plane's answer breaks off", err)
	}
	if resp.StatusCode >= 300 {
		e := fail(restTrouble(resp.StatusCode), restMessage(resp.Status, answer), nil)
		e.RetryAfter = seconds(resp.Header.Get("Retry-After"))
		return e
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fail(vector.Unavailable, "the control plane's answer is no JSON of the contract", err)
	}
	return nil
}

func restTrouble(code int) vector.Trouble {
	switch {
	case code == http.StatusTooManyRequests:
		return vector.Throttled
	case code == http.StatusUnauthorized || code == http.StatusForbidden || code == http.StatusPaymentRequired:
		return vector.Denied
	case code == http.StatusNotFound:
		return vector.Missing
	case code >= 500:
		return vector.Unavailable
	}
	return vector.Invalid
}

// restMessage is what the store says, or as much of its answer as tells anything.
func restMessage(status string, answer []byte) string {
	var said struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(answer, &said); err == nil {
		if text := said.Error.Message + said.Message; text != "" {
			return text
		}
	}
	const most = 200
	return status + " " + strings.ToValidUTF8(string(answer[:min(len(answer), most)]), "?")
}

// denied reports that the control plane says no, and may not say yes to this key:
// the data plane still tells what is needed.
func denied(err error) bool {
	var e *vector.Error
	return errors.As(err, &e) && (e.Trouble == vector.Denied || e.Trouble == vector.Missing)
}
