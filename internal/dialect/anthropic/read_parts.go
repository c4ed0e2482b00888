package anthropic

import (
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// text counts prompt text; what opens the conversation is hashed.
func (c *checker) text(v jsondoor.Value, opening bool) {
	c.facts.TextBytes += v.Size()
	if opening {
		c.first.Add(v.Raw())
	}
}

func (c *checker) blocks(v jsondoor.Value, opening bool) *problem {
	calls := 0
	for b, i := v.First(), 0; b.Exists(); b, i = b.Next(), i+1 {
		if b.Kind() != jsondoor.Object {
			return wrong("", "Input should be a valid object").in("", i)
		}
		kind := b.Get("type")
		if kind.Kind() != jsondoor.String {
			return wrong("type", "Field required").in("", i)
		}
		if b.Get("cache_control").Present() {
			c.uses(llm.FeatureCacheControl)
		}
		var err *problem
		switch string(kind.Bytes()) {
		case "text":
			err = need(b, "text", jsondoor.String)
			c.text(b.Get("text"), opening)
		case "image":
			c.uses(llm.FeatureImages)
			err = need(b, "source", jsondoor.Object)
			c.source(b, opening)
		case "document":
			c.uses(llm.FeatureDocuments)
			err = need(b, "source", jsondoor.Object)
			c.source(b, opening)
		case "search_result":
			c.uses(llm.FeatureDocuments)
			c.facts.TextBytes += len(b.Raw())
		case "thinking":
			c.uses(llm.FeatureThinking)
			err = need(b, "thinking", jsondoor.String)
			c.text(b.Get("thinking"), false)
		case "redacted_thinking":
			c.uses(llm.FeatureThinking)
			err = need(b, "data", jsondoor.String)
		case "tool_use":
			if calls++; calls > 1 {
				c.uses(llm.FeatureParallelTools)
			}
			c.uses(llm.FeatureTools)
			c.facts.TextBytes += len(b.Get("input").Raw())
			if err = need(b, "id", jsondoor.String); err == nil {
				if err = need(b, "name", jsondoor.String); err == nil {
					err = need(b, "input", jsondoor.Object)
				}
			}
		case "tool_result":
			c.uses(llm.FeatureTools)
			err = c.toolResult(b)
		default:
			c.uses(llm.FeatureServerTools)
			c.facts.TextBytes += len(b.Raw())
		}
		if err != nil {
			return err.in("", i)
		}
	}
	return nil
}

// source counts a document's text and lets media take part in the hash.
func (c *checker) source(b jsondoor.Value, opening bool) {
	src := b.Get("source")
	if src.Get("type").Is("text") {
		c.facts.TextBytes += src.Get("data").Size()
	}
	if opening {
		c.first.Add(src.Raw())
	}
}

func (c *checker) toolResult(b jsondoor.Value) *problem {
	if err := need(b, "tool_use_id", jsondoor.String); err != nil {
		return err
	}
	if _, ok := b.Get("is_error").Bool(); b.Get("is_error").Present() && !ok {
		return wrong("is_error", "Input should be a valid boolean")
	}
	switch content := b.Get("content"); content.Kind() {
	case jsondoor.Missing, jsondoor.Null:
		return nil
	case jsondoor.String:
		c.text(content, false)
		return nil
	case jsondoor.Array:
		return c.blocks(content, false).under("content")
	}
	return wrong("content", "Input should be a valid string or array")
}

// need checks a required member of a block.
func need(b jsondoor.Value, name string, k jsondoor.Kind) *problem {
	switch v := b.Get(name); {
	case !v.Exists():
		return wrong(name, "Field required")
	case v.Kind() != k:
		return wrong(name, "Input should be "+k.String())
	}
	return nil
}
