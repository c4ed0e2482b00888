package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// plainText is what may stand without quotes in any place: a conservative
// part of what YAML allows.
var plainText = regexp.MustCompile(`^[A-Za-z0-9_/.][A-Za-z0-9_/.+@%=-]*(?:[ :][A-Za-z0-9_/.+@%=-]+)*$`)

// render writes a value as YAML on one line, maps and lists in brackets, fit
// for any place. style is a scalar's old text, whose quotes are kept.
func render(v any, style string) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", errors.New("null cannot be written into the configuration: take the key out instead")
	case Secret:
		if v.Reference() == "" {
			return "", fmt.Errorf("a secret cannot be written into the configuration: write a reference such as ${env:NAME}")
		}
		return renderText(v.Reference(), style), nil
	case time.Duration:
		return renderDuration(v), nil
	case decimal.Decimal:
		return renderText(v.String(), style), nil
	case json.RawMessage:
		dec := json.NewDecoder(bytes.NewReader(v))
		dec.UseNumber()
		var val any
		if err := dec.Decode(&val); err != nil {
			return "", fmt.Errorf("not a JSON value: %w", err)
		}
		return render(val, style)
	case json.Number:
		return v.String(), nil
	case Size:
		return v.String(), nil
	case fmt.Stringer:
		return renderText(v.String(), style), nil
	}
	rv := reflect.ValueOf(v)
	switch rv.Kind() {
	case reflect.String:
		return renderText(rv.String(), style), nil
	case reflect.Bool:
		return strconv.FormatBool(rv.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(rv.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.FormatUint(rv.Uint(), 10), nil
	case reflect.Float32, reflect.Float64:
		return strconv.FormatFloat(rv.Float(), 'f', -1, 64), nil
	case reflect.Slice:
		parts := make([]string, rv.Len())
		for i := range parts {
			s, err := render(rv.Index(i).Interface(), "")
			if err != nil {
				return "", err
			}
			parts[i] = s
		}
		return "[" + strings.Join(parts, ", ") + "]", nil
	case reflect.Map:
		if rv.Type().Key().Kind() != reflect.String {
			break
		}
		parts := make([]string, 0, rv.Len())
		for it := rv.MapRange(); it.Next(); {
			s, err := render(it.Value().Interface(), "")
			if err != nil {
				return "", err
			}
			parts = append(parts, renderKey(it.Key().String())+": "+s)
		}
		slices.Sort(parts)
		return "{" + strings.Join(parts, ", ") + "}", nil
	}
	return "", fmt.Errorf("a %T cannot be written into the configuration", v)
}

// renderText writes a text with the quotes of its predecessor where they
// serve, else plain where that reads back as the same text, else in double
// quotes.
func renderText(s, style string) string {
	switch {
	case strings.HasPrefix(style, `"`):
		return quoteJSONPlain(s)
	case strings.HasPrefix(style, "'") && isPrintable(s):
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	// A reference stands without quotes anywhere.
	if plainText.MatchString(reference.ReplaceAllString(s, "x")) && readsAs("k: "+s, s) && readsAs("k: ["+s+"]", s) {
		return s
	}
	return quoteJSONPlain(s)
}

// renderKey writes a key of a map.
func renderKey(s string) string {
	if plainText.MatchString(s) && !strings.Contains(s, ":") {
		return s
	}
	return quoteJSONPlain(s)
}

// readsAs reports that the key k of a piece of YAML is the text s, alone or
// in a list.
func readsAs(piece, s string) bool {
	rep := &report{}
	doc := parse([]byte(piece), rep)
	if len(rep.list) > 0 || doc == nil || doc.root == nil {
		return false
	}
	e := doc.root.value.get("k")
	if e == nil {
		return false
	}
	n := e.value
	if n.kind == kindList && len(n.entries) == 1 {
		n = n.entries[0].value
	}
	return n.kind == kindScalar && n.typ == typeString && n.text == s
}

func isPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' })
}

// quoteJSONPlain is a JSON string, which is also a double-quoted YAML one.
func quoteJSONPlain(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic("config: a string always marshals: " + err.Error())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// renderDuration is Go's notation without units that are zero: 10m, not 10m0s.
func renderDuration(d time.Duration) string {
	if d > 0 && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
