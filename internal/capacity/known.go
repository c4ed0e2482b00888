package capacity

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
)

//go:embed data/models.json
var modelData []byte

//go:embed data/gpus.json
var gpuData []byte

//go:embed data/calibration.json
var calibrationData []byte

// Known is what comes with the program: models, GPUs, and the calibration on all measured
// rows of data/throughput.csv.
type Known struct {
	Models      []Model
	GPUs        []GPU
	Calibration Calibration
}

// Load reads it.
func Load() (*Known, error) {
	k := &Known{}
	for _, part := range []struct {
		name string
		data []byte
		into any
	}{{"models.json", modelData, &k.Models}, {"gpus.json", gpuData, &k.GPUs}, {"calibration.json", calibrationData, &k.Calibration}} {
		if err := json.UnmarshalRead(bytes.NewReader(part.data), part.into, json.RejectUnknownMembers(true)); err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return k, nil
}

// key is a name without what people write differently: case, blanks, dots, dashes, and
// the owner of weights.
func key(name string) string {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		name = name[i+1:]
	}
	name = strings.ToLower(name)
	for _, end := range []string{"-instruct", "-it", "-chat"} {
		name = strings.TrimSuffix(name, end)
	}
	return strings.NewReplacer(" ", "", "-", "", "_", "", ".", "", ",", "").Replace(name)
}

func named(want, name string, aliases []string) bool {
	if key(name) == want {
		return true
	}
	for _, a := range aliases {
		if key(a) == want {
			return true
		}
	}
	return false
}

// Model is the one of a name, as it is written in many places (llama-3.1-8b,
// meta-llama/Llama-3.1-8B-Instruct); nil: it is not known.
func (k *Known) Model(name string) *Model {
	for i := range k.Models {
		if m := &k.Models[i]; named(key(name), m.Name, m.Aliases) {
			return m
		}
	}
	return nil
}

// GPU is the one of a name (h100, "H100 SXM"); nil: it is not known.
func (k *Known) GPU(name string) *GPU {
	for i := range k.GPUs {
		if g := &k.GPUs[i]; named(key(name), g.Name, g.Aliases) {
			return g
		}
	}
	return nil
}
