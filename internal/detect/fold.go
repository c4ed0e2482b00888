package detect

import (
	"slices"
	"sort"
	"unicode/utf8"
)

// foldRun maps neighbouring characters; see folds.
type foldRun struct {
	first rune
	to    string
}

const (
	unfolded = 0 // the character stays what it is
	dropped  = 1 // nothing is seen of it
)

// quote stands in folded text for the quotes around a JSON string: a character
// that the text itself cannot hold. Nothing but a credential is found across it.
const quote = 0

// folded is a text as it is read: characters folded, escapes resolved, each
// JSON string between two quotes. Every byte knows where it came from.
type folded struct {
	text   []byte
	breaks []brk
	in     []byte
	at     int // of in
	opaque []span
}

// brk says that from byte out of the folded text on, until the next brk, bytes
// come one by one from byte in of the original.
type brk struct{ out, in int32 }

type span struct{ from, to int }

// origin is where byte i of the folded text came from; the end of the folded
// text came from the end of the original.
func (f *folded) origin(i int) int {
	n := sort.Search(len(f.breaks), func(k int) bool { return int(f.breaks[k].out) > i })
	if n == 0 {
		return i
	}
	b := f.breaks[n-1]
	return int(b.in) + i - int(b.out)
}

// jump notes that what is appended next comes from byte in of the original.
func (f *folded) jump(in int) {
	out := int32(len(f.text))
	if n := len(f.breaks); n > 0 && f.breaks[n-1].out == out {
		f.breaks[n-1].in = int32(in)
		return
	}
	f.breaks = append(f.breaks, brk{out, int32(in)})
}

func (f *folded) reset(in []byte) {
	f.text, f.breaks, f.opaque = f.text[:0], f.breaks[:0], f.opaque[:0]
	f.in, f.at = in, 0
	f.text = slices.Grow(f.text, len(in)+2)
}

// read folds a text.
func (f *folded) read(in []byte, json bool) {
	if json {
		f.json(in)
	} else {
		f.plain(in)
	}
}

// plain folds a text that is no JSON.
func (f *folded) plain(in []byte) {
	f.reset(in)
	for f.at < len(in) {
		f.run(false)
		if f.at < len(in) {
			f.special(false)
		}
	}
}

// json folds a JSON text: all of its strings, names included, and what stands
// between them as it is.
func (f *folded) json(in []byte) {
	f.reset(in)
	for f.at < len(in) {
		if c := in[f.at]; c != '"' {
			f.text = append(f.text, c)
			f.at++
			continue
		}
		f.text = append(f.text, quote)
		f.at++
		f.inside()
		if f.at < len(in) {
			f.text = append(f.text, quote)
			f.at++
		}
	}
}

// inside folds a string up to its closing quote.
func (f *folded) inside() {
	if end, whole := media(f.in, f.at); end > f.at {
		if whole {
			f.at = end
			f.jump(end)
			return
		}
		from := len(f.text)
		f.text = append(f.text, f.in[f.at:end]...)
		f.at = end
		f.opaque = append(f.opaque, span{from, len(f.text)})
		return
	}
	for f.at < len(f.in) {
		f.run(true)
		if f.at >= len(f.in) || f.in[f.at] == '"' {
			return
		}
		f.special(true)
	}
}

// minMedia is how long a string of base64 must be to be taken for something
// else than words.
const minMedia = 256

// media finds the end of a string that holds base64 and nothing else. whole
// says that it is declared to be media: there is no text in it. i is its first
// byte, and also what is returned for any other string.
func media(b []byte, i int) (end int, whole bool) {
	at := i
	if declared(b[i:]) {
		for at < len(b) && b[at] != ',' && b[at] != '"' && at-i < 256 {
			at++
		}
		if at == len(b) || b[at] != ',' {
			return i, false
		}
		at++
		whole = true
	}
	from := at
	for at < len(b) && base64[b[at]] {
		at++
	}
	if at == len(b) || b[at] != '"' || !whole && at-from < minMedia {
		return i, false
	}
	return at, whole
}

// declared reports the beginning of a data URL of a kind that is no text.
func declared(b []byte) bool {
	for _, prefix := range []string{"data:image/", "data:audio/", "data:video/", "data:application/pdf"} {
		if len(b) > len(prefix) && string(b[:len(prefix)]) == prefix {
			return true
		}
	}
	return false
}

// base64 are the characters of both alphabets. A slash may be escaped.
var base64 = charset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=\\")

// usual are the characters that are copied as they are, wherever they stand.
var usual = func() (t [256]bool) {
	for c := 1; c < utf8.RuneSelf; c++ {
		t[c] = c != '\\' && c != '"'
	}
	return t
}()

// run copies usual characters.
func (f *folded) run(quoted bool) {
	in, from := f.in, f.at
	at := from
	for at < len(in) && (usual[in[at]] || !quoted && in[at] == '"') {
		at++
	}
	f.text = append(f.text, in[from:at]...)
	f.at = at
}

// special folds one character that is not usual: an escape, or one beyond ASCII.
func (f *folded) special(escapes bool) {
	switch c := f.in[f.at]; {
	case c == '\\':
		f.escape(escapes)
	case c == quote:
		f.emit(' ', 1)
	default:
		r, n := utf8.DecodeRune(f.in[f.at:])
		f.emit(r, n)
	}
}

// emit appends the fold of r, which takes n bytes of the original.
func (f *folded) emit(r rune, n int) {
	from := f.at
	f.at += n
	switch to := fold(r); {
	case to == dropped:
		f.jump(f.at)
	case to != unfolded:
		f.text = append(f.text, to)
		if n != 1 {
			f.jump(f.at)
		}
	default:
		// As it stood, or what an escape stands for: its bytes all come from there.
		size := len(f.text)
		if r == utf8.RuneError && n == 1 {
			f.text = append(f.text, f.in[from])
		} else {
			f.text = utf8.AppendRune(f.text, r)
		}
		if len(f.text)-size != n {
			f.jump(f.at)
		}
	}
}

// escape folds the escape at the cursor. Backslashes that are themselves
// escaped, as in JSON within JSON, are read as escapes too, however deep: a
// letter after one is no part of the word that follows.
func (f *folded) escape(json bool) {
	at := f.at
	if json && at+1 < len(f.in) && f.in[at+1] != '\\' {
		r, n := unescape(f.in[at:])
		f.emit(r, n)
		return
	}
	for at < len(f.in) && f.in[at] == '\\' && (!json || at+1 < len(f.in) && f.in[at+1] == '\\') {
		if at++; json {
			at++
		}
	}
	rest := f.in[at:]
	switch {
	case len(rest) == 0:
	case json && rest[0] == '\\': // an escaped character behind escaped backslashes
		r, n := unescape(rest)
		f.emit(r, at-f.at+n)
		return
	case rest[0] == 'n' || rest[0] == 't' || rest[0] == 'r' || rest[0] == 'b' || rest[0] == 'f':
		f.emit(' ', at-f.at+1)
		return
	case rest[0] == 'u':
		if r, n := hexRune(rest[1:]); n > 0 {
			f.emit(r, at-f.at+1+n)
			return
		}
	case rest[0] == '/' || rest[0] == '"' && !json:
		f.emit(rune(rest[0]), at-f.at+1)
		return
	}
	f.emit('\\', at-f.at)
}

// unescape reads one escape of JSON, and returns its length.
func unescape(b []byte) (rune, int) {
	if len(b) < 2 {
		return '\\', len(b)
	}
	switch b[1] {
	case 'n', 'r':
		return '\n', 2
	case 't', 'b', 'f':
		return ' ', 2
	case 'u':
		r, n := hexRune(b[2:])
		if n == 0 {
			return '\\', 1
		}
		if r < 0xD800 || r > 0xDBFF || len(b) < 2+n+2 || b[2+n] != '\\' || b[2+n+1] != 'u' {
			return r, 2 + n
		}
		low, m := hexRune(b[2+n+2:])
		if m == 0 || low < 0xDC00 || low > 0xDFFF {
			return r, 2 + n
		}
		return (r-0xD800)<<10 | (low - 0xDC00) + 0x10000, 2 + n + 2 + m
	}
	return rune(b[1]), 2
}

// hexRune reads four hexadecimal digits. Control characters become a space.
func hexRune(b []byte) (r rune, n int) {
	if len(b) < 4 {
		return 0, 0
	}
	for _, c := range b[:4] {
		d := hexDigit(c)
		if d < 0 {
			return 0, 0
		}
		r = r<<4 | d
	}
	if r < ' ' {
		r = ' '
	}
	return r, 4
}

func hexDigit(c byte) rune {
	switch {
	case '0' <= c && c <= '9':
		return rune(c - '0')
	case 'a' <= c && c <= 'f':
		return rune(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return rune(c-'A') + 10
	}
	return -1
}

// fold returns the ASCII character that r is read as, unfolded or dropped.
func fold(r rune) byte {
	switch {
	case r < utf8.RuneSelf:
		return byte(r)
	case r >= 0x3400 && r < 0xA000, r >= 0xAC00 && r < 0xD800, r >= 0x3041 && r < 0x30FB: // most of Chinese, Korean, Japanese
		return unfolded
	case r >= 0xE0000 && r < 0xE1000: // tags, which spell ASCII unseen
		if r >= 0xE0020 && r < 0xE007F {
			return byte(r - 0xE0000)
		}
		return dropped
	}
	n := sort.Search(len(folds), func(i int) bool { return folds[i].first > r })
	if n == 0 {
		return unfolded
	}
	run := &folds[n-1]
	if i := int(r - run.first); i < len(run.to) {
		return run.to[i]
	}
	return unfolded
}

func charset(chars string) (t [256]bool) {
	for i := range len(chars) {
		t[chars[i]] = true
	}
	return t
}
