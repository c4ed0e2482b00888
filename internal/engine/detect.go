package engine

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Found is an engine that runs on this machine already.
type Found struct {
	// Preset is the provider preset that fits: ollama, llama.cpp, vllm, sglang,
	// tgi, lmstudio.
	Preset string
	// BaseURL is the provider's base_url, with /v1.
	BaseURL string
	// Models that it serves, by its own names, at most 50.
	Models []string
}

// candidate is a place to look at. More than one engine has the same default
// port: what answers there says which one it is.
type candidate struct {
	addr   string
	preset string // what is assumed when the answers do not tell
}

var candidates = []candidate{
	{"127.0.0.1:11434", "ollama"},
	{"127.0.0.1:8080", "llama.cpp"},
	{"127.0.0.1:8000", "vllm"},
	{"127.0.0.1:1234", "lmstudio"},
	{"127.0.0.1:30000", "sglang"},
	{"127.0.0.1:3000", "tgi"},
}

// detectLimit bounds a look at one address.
const detectLimit = time.Second

// maxDetected bounds the models listed of one engine.
const maxDetected = 50

// Detect looks for engines at their default ports on this machine, all at the
// same time, for at most a second. Programs that are no engines are passed over.
func Detect(ctx context.Context) []Found { return detect(ctx, candidates, detectLimit) }

func detect(ctx context.Context, at []candidate, limit time.Duration) []Found {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	transport := &http.Transport{Proxy: nil}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	results := make([]*Found, len(at))
	var wg sync.WaitGroup
	for i, c := range at {
		wg.Go(func() { results[i] = look(ctx, client, c) })
	}
	wg.Wait()
	var found []Found
	for _, f := range results {
		if f != nil {
			found = append(found, *f)
		}
	}
	return found
}

// look asks one address for its models, in the OpenAI way and in Ollama's.
func look(ctx context.Context, client *http.Client, c candidate) *Found {
	base := "http://" + c.addr
	var list struct {
		Object string `json:"object"`
		Data   []struct {
			ID      string `json:"id"`
			OwnedBy string `json:"owned_by"`
		} `json:"data"`
	}
	f := &Found{Preset: c.preset, BaseURL: base + "/v1"}
	if server, ok := getJSON(ctx, client, base+"/v1/models", &list); ok && (list.Object == "list" || len(list.Data) > 0) {
		var owner string
		for _, m := range list.Data {
			if m.ID != "" {
				f.Models = append(f.Models, m.ID)
			}
			owner = m.OwnedBy
		}
		f.Preset = presetOf(c.preset, owner, server)
	} else {
		var tags struct {
			Models []struct {
				Name string `json:"name"`
			} `json:"models"`
		}
		if _, ok := getJSON(ctx, client, base+"/api/tags", &tags); !ok || tags.Models == nil {
			return nil
		}
		f.Preset = "ollama"
		for _, m := range tags.Models {
			f.Models = append(f.Models, m.Name)
		}
	}
	slices.Sort(f.Models)
	f.Models = slices.Compact(f.Models)
	f.Models = f.Models[:min(len(f.Models), maxDetected)]
	return f
}

// presetOf reads who it is from owned_by, which llama.cpp ("llamacpp"), vLLM
// ("vllm"), SGLang ("sglang"), Ollama ("library") and LM Studio
// ("organization_owner") fill in, and from the Server header of llama.cpp.
func presetOf(assumed, owner, server string) string {
	switch {
	case owner == "llamacpp" || server == "llama.cpp":
		return "llama.cpp"
	case owner == "vllm" || owner == "sglang":
		return owner
	case owner == "library":
		return "ollama"
	case owner == "organization_owner":
		return "lmstudio"
	case strings.Contains(strings.ToLower(owner), "text-generation-inference"):
		return "tgi"
	default:
		return assumed
	}
}

func getJSON(ctx context.Context, client *http.Client, url string, v any) (server string, ok bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", false
	}
	res, err := client.Do(req)
	if err != nil {
		return "", false
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", false
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return res.Header.Get("Server"), err == nil && json.Unmarshal(body, v) == nil
}
