package mock

import (
	"fmt"
	"net/http"
	"strings"
)

// cohere is the dialect of Cohere's /v2/embed.
type cohere struct {
	vectors vectorTraits
	shape   rule
}

func newCohere(v vectorTraits) *cohere {
	return &cohere{vectors: v, shape: object(members{
		"model":            must(nonEmpty),
		"texts":            must(list(text, 1, v.maxInputs)),
		"input_type":       must(oneOf("search_document", "search_query", "classification", "clustering")),
		"embedding_types":  may(list(oneOf("float", "base64", "int8", "uint8", "binary", "ubinary"), 1, 0)),
		"output_dimension": may(oneOfInts(256, 512, 1024, 1536)),
		"truncate":         may(oneOf("NONE", "START", "END")),
		"max_tokens":       may(integer("1", "")),
		"priority":         may(integer("0", "999")),
	})}
}

// oneOfInts is a number of a list.
func oneOfInts(allowed ...int) rule {
	return func(path []any, v any) *problem {
		for _, n := range allowed {
			if fmt.Sprint(v) == fmt.Sprint(n) {
				return nil
			}
		}
		return problemf(path, "", "invalid request: output_dimension must be one of %v", allowed)
	}
}

func (c *cohere) refuse(p *problem, requestID string) (int, []byte) {
	status, message := http.StatusBadRequest, p.message
	if p.status != 0 {
		status = p.status
	}
	switch p.kind {
	case missingMember:
		message = "invalid request: " + p.dotted() + " is required"
	case unknownMember:
		message = "invalid request: unknown field " + p.dotted()
	case tooLong:
		message = fmt.Sprintf("invalid request: total number of texts must be at most %s - received %s", p.want, p.got)
	case notAllowed:
		message = fmt.Sprintf("invalid request: %s must be one of %s", p.dotted(), strings.Join(p.allowed, ", "))
	}
	if message == "" {
		message = "invalid request: " + p.dotted()
	}
	return status, c.failure(status, "", "", message, requestID)
}

func (c *cohere) failure(_ int, _, _, message, requestID string) []byte {
	return []byte(compact(map[string]any{"id": requestID, "message": message}))
}

func (c *cohere) errorEvent(body []byte) []byte { return body }
func (c *cohere) spoil(event []byte) []byte     { return event }

func (c *cohere) embed(tree map[string]any, seed uint64, id string) ([]byte, *problem) {
	if p := c.shape(nil, tree); p != nil {
		return nil, p
	}
	var b struct {
		Model      string
		Texts      []string
		InputType  string   `json:"input_type"`
		Types      []string `json:"embedding_types"`
		Dimensions int      `json:"output_dimension"`
		Truncate   string
	}
	decode(tree, &b)
	size := 1024
	if strings.Contains(b.Model, "v4") {
		size = 1536
	}
	if b.Dimensions > size {
		return nil, problemf([]any{"output_dimension"}, "", "invalid request: output_dimension is too large for this model")
	}
	if b.Dimensions > 0 {
		size = b.Dimensions
	}
	v := c.vectors
	v.cuts = b.Truncate != "NONE"
	texts, used, p := v.read(b.Texts, Cohere)
	if p != nil {
		return nil, p
	}
	if len(b.Types) == 0 {
		b.Types = []string{"float"}
	}
	embeddings := map[string]any{}
	for _, kind := range b.Types {
		list := []any{}
		for _, t := range texts {
			// What is asked of a text and the text are not the same: a query's
			// vector is near its document's, and another.
			numbers := vector(seed, b.InputType+" "+t, size)
			switch kind {
			case "float":
				list = append(list, numbers)
			case "base64":
				list = append(list, packed(numbers))
			default:
				small := make([]int, len(numbers))
				for i, x := range numbers {
					small[i] = int(x * 127)
				}
				list = append(list, small)
			}
		}
		embeddings[kind] = list
	}
	return []byte(compact(map[string]any{"id": id, "embeddings": embeddings, "texts": b.Texts, "response_type": "embeddings_by_type",
		"meta": map[string]any{"api_version": map[string]any{"version": "2"}, "billed_units": map[string]any{"input_tokens": used}}})), nil
}
