package engine

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Limits for reading a header that may be hostile or broken. The largest
// vocabularies known have about 260,000 entries.
const (
	ggufMaxKeys   = 1 << 16
	ggufMaxString = 1 << 22
	ggufMaxArray  = 1 << 24
)

// ggufInfo is what freehold wants to know of a weights file before it starts an
// engine on it.
type ggufInfo struct {
	Architecture string
	Name         string
	License      string
	Context      int    // tokens the model was trained for; 0: not said
	Pooling      string // mean, cls or last: how its token vectors become one; empty: not said
	ChatTemplate bool
	Tools        bool // a chat template of it says how tools are told to the model
}

// readGGUF reads the metadata at the head of a GGUF file (version 2 or 3, little
// endian; the layout is in the ggml project's docs/gguf.md).
func readGGUF(path string) (ggufInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return ggufInfo{}, &Error{Kind: BadWeights, What: "the weights cannot be read", Where: path, Do: "check the path in source", Err: errors.Unwrap(err)}
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.IsDir() {
		return ggufInfo{}, &Error{Kind: BadWeights, What: "the weights are a directory", Where: path, Do: "name the .gguf file in it"}
	}
	info, err := parseGGUF(bufio.NewReaderSize(f, 1<<16))
	if err != nil {
		return ggufInfo{}, &Error{Kind: BadWeights, What: "not a whole GGUF file", Where: path, Do: "use a GGUF file; if this one was downloaded, delete it and fetch it again", Err: err}
	}
	if info.Name == "" {
		info.Name = filepath.Base(path)
	}
	return info, nil
}

type ggufReader struct {
	r   io.Reader
	buf [8]byte
}

func (g *ggufReader) u32() (uint32, error) {
	if _, err := io.ReadFull(g.r, g.buf[:4]); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(g.buf[:4]), nil
}

func (g *ggufReader) u64() (uint64, error) {
	if _, err := io.ReadFull(g.r, g.buf[:8]); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(g.buf[:8]), nil
}

func (g *ggufReader) str() (string, error) {
	n, err := g.u64()
	if err != nil {
		return "", err
	}
	if n > ggufMaxString {
		return "", fmt.Errorf("a string of %d bytes", n)
	}
	b := make([]byte, n)
	_, err = io.ReadFull(g.r, b)
	return string(b), err
}

func (g *ggufReader) skip(n int64) error {
	_, err := io.CopyN(io.Discard, g.r, n)
	return err
}

// The value types of GGUF metadata.
const (
	ggufUint32 = 4
	ggufInt32  = 5
	ggufString = 8
	ggufArray  = 9
	ggufUint64 = 10
	ggufInt64  = 11
)

// ggufPooling are the values of pooling_type that make one vector of a text.
var ggufPooling = map[int64]string{1: "mean", 2: "cls", 3: "last"}

// ggufWidth is the size of each scalar type in bytes.
var ggufWidth = map[uint32]int64{0: 1, 1: 1, 2: 2, 3: 2, ggufUint32: 4, ggufInt32: 4, 6: 4, 7: 1, ggufUint64: 8, ggufInt64: 8, 12: 8}

// value reads one value; what is neither a string nor an integer is skipped and
// comes back nil.
func (g *ggufReader) value(typ uint32, depth int) (any, error) {
	switch typ {
	case ggufUint32, ggufInt32:
		v, err := g.u32()
		return int64(v), err
	case ggufUint64, ggufInt64:
		v, err := g.u64()
		return int64(v), err
	case ggufString:
		return g.str()
	case ggufArray:
		if depth > 3 {
			return nil, errors.New("arrays nested too deep")
		}
		elem, err := g.u32()
		if err != nil {
			return nil, err
		}
		n, err := g.u64()
		if err != nil {
			return nil, err
		}
		if n > ggufMaxArray {
			return nil, fmt.Errorf("an array of %d entries", n)
		}
		if w, ok := ggufWidth[elem]; ok {
			return nil, g.skip(w * int64(n))
		}
		for range n {
			if _, err := g.value(elem, depth+1); err != nil {
				return nil, err
			}
		}
		return nil, nil
	default:
		w, ok := ggufWidth[typ]
		if !ok {
			return nil, fmt.Errorf("an unknown value type %d", typ)
		}
		return nil, g.skip(w)
	}
}

func parseGGUF(r io.Reader) (ggufInfo, error) {
	g := &ggufReader{r: r}
	if _, err := io.ReadFull(r, g.buf[:4]); err != nil || string(g.buf[:4]) != "GGUF" {
		return ggufInfo{}, errors.New("it does not begin with GGUF")
	}
	version, err := g.u32()
	if err != nil {
		return ggufInfo{}, err
	}
	if version < 2 || version > 3 {
		return ggufInfo{}, fmt.Errorf("GGUF version %d is not known", version)
	}
	if _, err := g.u64(); err != nil { // tensors
		return ggufInfo{}, err
	}
	keys, err := g.u64()
	if err != nil {
		return ggufInfo{}, err
	}
	if keys > ggufMaxKeys {
		return ggufInfo{}, fmt.Errorf("%d metadata keys", keys)
	}
	meta := map[string]any{}
	for range keys {
		key, err := g.str()
		if err != nil {
			return ggufInfo{}, err
		}
		typ, err := g.u32()
		if err != nil {
			return ggufInfo{}, err
		}
		v, err := g.value(typ, 0)
		if err != nil {
			return ggufInfo{}, fmt.Errorf("key %q: %w", key, err)
		}
		if v != nil {
			meta[key] = v
		}
	}
	info := ggufInfo{}
	info.Architecture, _ = meta["general.architecture"].(string)
	info.Name, _ = meta["general.name"].(string)
	info.License, _ = meta["general.license"].(string)
	for key, v := range meta { // beside the usual template there may be others, by name
		if text, ok := v.(string); ok && strings.HasPrefix(key, "tokenizer.chat_template") {
			info.ChatTemplate = true
			info.Tools = info.Tools || strings.Contains(text, "tools")
		}
	}
	if n, ok := meta[info.Architecture+".context_length"].(int64); ok && n > 0 {
		info.Context = int(n)
	}
	if n, ok := meta[info.Architecture+".pooling_type"].(int64); ok {
		info.Pooling = ggufPooling[n]
	}
	if info.Architecture == "" {
		return ggufInfo{}, errors.New("it names no architecture")
	}
	return info, nil
}
