package mock

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/go-json-experiment/json/jsontext"
)

// parse reads a body as one JSON object: valid UTF-8, no duplicate names, no
// data behind it.
func parse(body []byte) (map[string]any, *problem) {
	v := jsontext.Value(body)
	if !v.IsValid() {
		err := jsontextError(body)
		return nil, &problem{kind: malformedJSON, got: err.Error()}
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, &problem{kind: malformedJSON, got: err.Error()}
	}
	o, ok := tree.(map[string]any)
	if !ok {
		return nil, &problem{kind: malformedJSON, got: "the body is " + kindOf(tree) + ", not an object"}
	}
	return o, nil
}

// jsontextError is why body is not valid JSON.
func jsontextError(body []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(body))
	if _, err := d.ReadValue(); err != nil {
		return err
	}
	if _, err := d.ReadToken(); err != nil {
		return errors.New("data after the JSON value: " + err.Error())
	}
	return errors.New("data after the JSON value")
}

// compact is v as JSON with sorted names.
func compact(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("mock: a JSON tree that cannot be written: " + err.Error()) // trees come from JSON
	}
	return string(bytes.TrimRight(b.Bytes(), "\n"))
}
