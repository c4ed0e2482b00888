package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/suggest"
)

// defaulter is a struct that knows its defaults; they are set before the
// file's own keys.
type defaulter interface{ defaults() }

// shortener is a struct that one of its keys may stand for, written alone.
type shortener interface{ short() string }

// decoder fills Go values from the tree and reports every misfit.
type decoder struct {
	rep *report
	exp *expander
	// literals are the nodes that hold a secret in the clear.
	literals []*node
	// hidden are other nodes that may hold one, under keys nobody knows.
	hidden []*node
}

var (
	typeSecret   = reflect.TypeFor[Secret]()
	typeDuration = reflect.TypeFor[time.Duration]()
	typeSize     = reflect.TypeFor[Size]()
	typePath     = reflect.TypeFor[Path]()
	typeDecimal  = reflect.TypeFor[decimal.Decimal]()
	typePrefix   = reflect.TypeFor[netip.Prefix]()
	typeRaw      = reflect.TypeFor[json.RawMessage]()
	typeNames    = reflect.TypeFor[Names]()
	typeYesNo    = reflect.TypeFor[YesNo]()
	typeDate     = reflect.TypeFor[Date]()
	typeHedge    = reflect.TypeFor[HedgeAfter]()
	typeBudget   = reflect.TypeFor[BudgetLimit]()
	typeShare    = reflect.TypeFor[Share]()

	typeTolerance = reflect.TypeFor[Tolerance]()
)

// decode puts what e holds into v. where is the path, for messages.
func (d *decoder) decode(e *entry, v reflect.Value, where []string, tag limits) {
	n := e.value
	t := v.Type()
	if t.Kind() == reflect.Pointer {
		elem := reflect.New(t.Elem())
		d.decode(e, elem.Elem(), where, tag)
		v.Set(elem)
		return
	}
	switch {
	case t == typeRaw:
		v.Set(reflect.ValueOf(d.raw(n)))
		return
	case t == typeNames && n.kind == kindScalar:
		if s, ok := d.text(e, where, "a name"); ok {
			v.Set(reflect.ValueOf(Names{s}))
		}
		return
	case t == typeSecret:
		d.secret(e, v, where)
		return
	}
	if parse := scalarParser(t, tag); parse != nil {
		d.scalar(e, v, where, parse)
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		d.structure(e, v, where)
	case reflect.Map:
		d.dictionary(e, v, where)
	case reflect.Slice:
		if n.kind != kindList {
			d.misfit(e, where, "a list", "write ["+sample(t.Elem())+"]")
			return
		}
		out := reflect.MakeSlice(t, len(n.entries), len(n.entries))
		for i, item := range n.entries {
			d.decode(item, out.Index(i), append(where, item.key), limits{})
		}
		v.Set(out)
	default:
		panic("config: no decoder for " + t.String())
	}
}

func sample(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		return "{...}"
	}
	return "..."
}

// misfit reports a value of the wrong kind.
func (d *decoder) misfit(e *entry, where []string, want, hint string) {
	n := e.value
	if n.kind == kindNull {
		d.rep.errorf(e.pos, "give it a value, or take the key away", "%s has no value", label(where))
		return
	}
	d.rep.errorf(e.pos, hint, "%s must be %s, not %s", label(where), want, n.kind)
}

func label(where []string) string {
	if len(where) == 0 {
		return "the file"
	}
	if len(where) > 3 && where[0] == "workloads" && where[2] == "route" {
		if i, err := strconv.Atoi(where[3]); err == nil { // a rule without a name is called by its place, from 1
			return strings.Join(append([]string{JoinPath(where[:3]...), fmt.Sprintf("rule %d", i+1)}, rest(where[4:])...), ": ")
		}
	}
	return JoinPath(where...)
}

// rest is what is left of a path, as a list of one or none.
func rest(where []string) []string {
	if len(where) == 0 {
		return nil
	}
	return []string{JoinPath(where...)}
}

func (d *decoder) structure(e *entry, v reflect.Value, where []string) {
	if def, ok := v.Addr().Interface().(defaulter); ok {
		def.defaults()
	}
	n := e.value
	if n.kind == kindNull {
		return
	}
	fields := fieldsOf(v.Type())
	if s, ok := v.Addr().Interface().(shortener); ok && n.kind == kindScalar {
		f := fields[s.short()]
		d.decode(e, v.FieldByIndex(f.index), where, f.limits)
		return
	}
	if n.kind != kindMap {
		d.misfit(e, where, "a map", "write its keys below it, indented")
		return
	}
	for _, child := range n.entries {
		f, ok := fields[child.key]
		if !ok {
			names := slices.Sorted(maps.Keys(fields))
			hint := suggest.Hint(child.key, names)
			if hint == "" {
				hint = "keys here: " + strings.Join(names, ", ")
			}
			d.rep.errorf(child.keyPos, hint, "unknown key %q%s", child.key, in(where))
			d.unknown(child)
			continue
		}
		d.decode(child, v.FieldByIndex(f.index), append(slices.Clone(where), child.key), f.limits)
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if fields[name].limits.required && n.get(name) == nil {
			d.rep.errorf(e.place(), "add "+name+": ...", "%s needs %s", label(where), name)
		}
	}
}

// place is where to point when something within the entry is missing: its
// key, or its beginning where it has none.
func (e *entry) place() Pos {
	if e.keyPos.Line > 0 {
		return e.keyPos
	}
	return e.pos
}

func in(where []string) string {
	if len(where) == 0 {
		return ""
	}
	return " in " + label(where)
}

func (d *decoder) dictionary(e *entry, v reflect.Value, where []string) {
	n := e.value
	out := reflect.MakeMap(v.Type())
	v.Set(out)
	if n.kind == kindNull {
		return
	}
	if n.kind != kindMap {
		d.misfit(e, where, "a map", "write its keys below it, indented")
		return
	}
	kt, vt := v.Type().Key(), v.Type().Elem()
	for _, child := range n.entries {
		path := append(slices.Clone(where), child.key)
		if child.key == "" {
			d.rep.errorf(child.keyPos, "", "an empty name in %s", label(where))
			continue
		}
		if en, ok := reflect.Zero(kt).Interface().(enum); ok && !slices.Contains(en.values(), child.key) {
			d.rep.errorf(child.keyPos, suggest.Hint(child.key, en.values()), "unknown key %q%s", child.key, in(where))
			continue
		}
		val := reflect.New(vt).Elem()
		d.decode(child, val, path, limits{})
		if vt.Kind() == reflect.Pointer && vt.Elem().Kind() == reflect.Struct {
			if f := val.Elem().FieldByName("Name"); f.IsValid() {
				f.SetString(child.key)
			}
		}
		out.SetMapIndex(reflect.ValueOf(child.key).Convert(kt), val)
	}
}

// text is an expanded scalar that is to be read as a string.
func (d *decoder) text(e *entry, where []string, want string) (string, bool) {
	n := e.value
	if n.kind != kindScalar {
		d.misfit(e, where, want, "")
		return "", false
	}
	out, _, err := d.exp.expand(n.text)
	if err != nil {
		d.rep.errorf(e.pos, err.hint, "%s", err.msg)
		return "", false
	}
	return out, true
}

func (d *decoder) secret(e *entry, v reflect.Value, where []string) {
	n := e.value
	if n.kind != kindScalar {
		d.unknown(e)
		d.misfit(e, where, "a single value", "write ${env:NAME} or ${file:PATH}")
		return
	}
	if n.text != "" && !isReference(n.text) && !shown(where, n.text) {
		d.literals = append(d.literals, n)
	}
	out, refs, err := d.exp.secret(n.text)
	if err != nil {
		d.rep.errorf(e.pos, err.hint, "%s", err.msg)
		return
	}
	if strings.ContainsAny(out, "\n\r\x00") {
		d.rep.errorf(e.pos, "a secret is one line of text", "%s holds a line break", label(where))
		return
	}
	s := NewSecret(out)
	if refs > 0 {
		s.ref = n.text
	}
	if out == "" {
		d.rep.errorf(e.pos, "write ${env:NAME} or ${file:PATH}", "%s is empty", label(where))
	}
	v.Set(reflect.ValueOf(s))
}

// unknown keeps every scalar below a place that no type describes out of
// diagnostics and diffs where its key sounds like a secret.
func (d *decoder) unknown(e *entry) {
	if !soundsSecret(e.key) {
		for _, c := range e.value.entries {
			d.unknown(c)
		}
		return
	}
	d.hide(e.value)
}

func (d *decoder) hide(n *node) {
	if n.kind == kindScalar && !isReference(n.text) {
		d.hidden = append(d.hidden, n)
	}
	for _, c := range n.entries {
		d.hide(c.value)
	}
}

// isReference reports a text that names its secret, or tries to.
func isReference(s string) bool {
	return strings.Contains(strings.ReplaceAll(s, "$${", ""), "${")
}

// scalar reads a single value with parse.
func (d *decoder) scalar(e *entry, v reflect.Value, where []string, p *scalarKind) {
	n := e.value
	if n.kind == kindScalar && n.typ == typeBool && !p.bool {
		d.rep.errorf(e.pos, "put it in quotes if it is a name", "%s must be %s, not %s", label(where), p.want, n.text)
		return
	}
	text, ok := d.text(e, where, p.want)
	if !ok {
		return
	}
	val, err := p.parse(text)
	if err != nil {
		msg := err.Error()
		if text != n.text { // what stands behind a reference is not repeated
			msg = strings.ReplaceAll(msg, strconv.Quote(text), strconv.Quote(n.text))
		}
		hint := p.hint
		if p.values != nil {
			hint = suggest.Hint(text, p.values)
		}
		d.rep.errorf(e.pos, hint, "%s: %s", label(where), msg)
		return
	}
	if path, ok := val.(Path); ok {
		full := Path(resolve(d.exp.path, string(path)))
		val = full
	}
	v.Set(reflect.ValueOf(val).Convert(v.Type()))
}

// raw renders a value as JSON, references expanded.
func (d *decoder) raw(n *node) json.RawMessage {
	switch n.kind {
	case kindNull:
		return json.RawMessage("null")
	case kindMap:
		parts := make([]string, len(n.entries))
		for i, e := range n.entries {
			parts[i] = quoteJSON(e.key) + ":" + string(d.raw(e.value))
		}
		return json.RawMessage("{" + strings.Join(parts, ",") + "}")
	case kindList:
		parts := make([]string, len(n.entries))
		for i, e := range n.entries {
			parts[i] = string(d.raw(e.value))
		}
		return json.RawMessage("[" + strings.Join(parts, ",") + "]")
	}
	if n.typ != typeString && json.Valid([]byte(n.text)) {
		return json.RawMessage(n.text)
	}
	if n.typ == typeBool {
		return json.RawMessage(strings.ToLower(n.text))
	}
	if n.typ != typeString {
		d.rep.errorf(n.pos, "write it as JSON does, or in quotes", "%s is not a JSON number", n.text)
	}
	out, _, err := d.exp.expand(n.text)
	if err != nil {
		d.rep.errorf(n.pos, err.hint, "%s", err.msg)
	}
	return json.RawMessage(quoteJSON(out))
}

func quoteJSON(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic("config: a string always marshals: " + err.Error())
	}
	return string(b)
}

// limits are the bounds of a field, read from its jsonschema tag, so that
// the schema and the decoder cannot disagree.
type limits struct {
	min, max float64
	hasMin   bool
	hasMax   bool
	required bool
}

type field struct {
	index  []int
	limits limits
}

// fieldsOf lists the keys of a struct.
func fieldsOf(t reflect.Type) map[string]field {
	out := map[string]field{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if !f.IsExported() || name == "" || name == "-" {
			continue
		}
		out[name] = field{index: f.Index, limits: limitsOf(f.Tag.Get("jsonschema"))}
	}
	return out
}

func limitsOf(tag string) limits {
	var l limits
	for part := range strings.SplitSeq(tag, ",") {
		key, val, _ := strings.Cut(part, "=")
		switch key {
		case "required":
			l.required = true
		case "minimum", "maximum":
			f, err := strconv.ParseFloat(val, 64)
			if err != nil {
				panic("config: bad tag " + tag)
			}
			if key == "minimum" {
				l.min, l.hasMin = f, true
			} else {
				l.max, l.hasMax = f, true
			}
		}
	}
	return l
}

func (l limits) check(f float64) error {
	text := strconv.FormatFloat(f, 'f', -1, 64)
	switch {
	case l.hasMin && f < l.min:
		return fmt.Errorf("%s is below %s", text, strconv.FormatFloat(l.min, 'f', -1, 64))
	case l.hasMax && f > l.max:
		return fmt.Errorf("%s is above %s", text, strconv.FormatFloat(l.max, 'f', -1, 64))
	}
	return nil
}

var secretWords = regexp.MustCompile(`(?i)api[-_]?key|key$|keys$|secret|(?:^|access|auth|api|refresh|session)[-_]?token$|password|passwd|authorization|credential|cookie|bearer|signature|session`)

func soundsSecret(name string) bool { return secretWords.MatchString(name) }
