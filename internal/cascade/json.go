package cascade

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// maxDepth is how deep a JSON answer may be nested.
const maxDepth = 1000

// jsonKey writes a JSON text as every text of the same value: members in the
// order of their names, numbers by value. ok is false for what is not one value,
// and for objects of which two members have one name: nobody knows what they say.
func jsonKey(text string) (key string, ok bool) {
	if text == "" || !strings.ContainsAny(text[:1], `{["-0123456789tfn`) {
		return "", false
	}
	if !json.Valid([]byte(text)) { // the decoder alone forgives what follows a value
		return "", false
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	b, err := value(nil, d, 0)
	if err != nil {
		return "", false
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return "", false
	}
	return string(b), true
}

var errShape = errors.New("two members of one name, or too deep")

// value appends the next value.
func value(b []byte, d *json.Decoder, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, errShape
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return object(b, d, depth)
		}
		return array(b, d, depth)
	case json.Number:
		return append(b, jsonNumber(string(t))...), nil
	case string:
		return strconv.AppendQuote(b, t), nil
	case bool:
		return strconv.AppendBool(b, t), nil
	}
	return append(b, "null"...), nil
}

func object(b []byte, d *json.Decoder, depth int) ([]byte, error) {
	members := map[string][]byte{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, isText := t.(string)
		if _, twice := members[name]; twice || !isText {
			return nil, errShape
		}
		if members[name], err = value(nil, d, depth+1); err != nil {
			return nil, err
		}
	}
	b = append(b, '{')
	for _, name := range slices.Sorted(maps.Keys(members)) {
		b = append(append(strconv.AppendQuote(b, name), ':'), members[name]...)
		b = append(b, ',')
	}
	_, err := d.Token()
	return append(b, '}'), err
}

func array(b []byte, d *json.Decoder, depth int) ([]byte, error) {
	b = append(b, '[')
	for d.More() {
		var err error
		if b, err = value(b, d, depth+1); err != nil {
			return nil, err
		}
		b = append(b, ',')
	}
	_, err := d.Token()
	return append(b, ']'), err
}
