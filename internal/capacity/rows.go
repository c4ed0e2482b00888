package capacity

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
)

// Rows of the file that comes with the program are of runs of 500 requests (throughput
// times the time that the last one took comes to that), of 512 and 256 tokens.
const rowRequests, rowInput, rowOutput = 500, 512, 256

// hardware is what files of this form call GPUs that have another name here. Their H100 is
// the one of Azure's NC40ads (the price of their rows, 6.98 USD an hour, is its), an NVL.
var hardware = map[string]string{"H100": "H100 NVL"}

// ReadRows reads measured rows in the form of pChitral/vllm-cost-meter (arXiv
// 2606.11690): a header with at least engine, model, precision, hardware, gpus, rps,
// request_throughput, tps_output, ttft_mean_ms and tpot_p50_ms. Errors name the line.
func ReadRows(in io.Reader, k *Known) ([]Measured, error) {
	r := csv.NewReader(in)
	head, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("line 1: it has no header: %w", err)
	}
	at := map[string]int{}
	for i, name := range head {
		at[name] = i
	}
	for _, name := range []string{"engine", "model", "precision", "hardware", "gpus", "rps", "request_throughput", "tps_output", "ttft_mean_ms", "tpot_p50_ms"} {
		if _, ok := at[name]; !ok {
			return nil, fmt.Errorf("line 1: there is no column %s", name)
		}
	}
	var out []Measured
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err // it names the line
		}
		line, _ := r.FieldPos(0)
		row, err := measured(fields, at, k)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		out = append(out, row)
	}
	if len(out) == 0 {
		return nil, errors.New("it has a header and no rows")
	}
	return out, nil
}

func measured(fields []string, at map[string]int, k *Known) (row Measured, err error) {
	number := func(name string) float64 {
		n, bad := strconv.ParseFloat(fields[at[name]], 64)
		if err == nil && (bad != nil || !(n > 0) || math.IsInf(n, 0)) {
			err = fmt.Errorf("%s is %q, and must be a number above 0", name, fields[at[name]])
		}
		return n
	}
	row = Measured{
		Engine: fields[at["engine"]], GPUs: int(number("gpus")), Rate: number("rps"), Served: number("request_throughput"), Throughput: number("tps_output"),
		TTFT: Seconds(number("ttft_mean_ms") / 1000), TPOT: Seconds(number("tpot_p50_ms") / 1000), Requests: rowRequests, Input: rowInput, Output: rowOutput,
	}
	if err != nil {
		return row, err
	}
	if row.GPUs < 1 {
		return row, fmt.Errorf("gpus is %q, and must be a whole number", fields[at["gpus"]])
	}
	name := fields[at["model"]]
	if row.Model = k.Model(name); row.Model == nil {
		return row, fmt.Errorf("the model %q is not known", name)
	}
	name = fields[at["hardware"]]
	if known, ok := hardware[name]; ok {
		name = known
	}
	if row.GPU = k.GPU(name); row.GPU == nil {
		return row, fmt.Errorf("the hardware %q is not known", name)
	}
	name = fields[at["precision"]]
	p, known := PrecisionOf(name)
	if !known {
		return row, fmt.Errorf("the precision %q is not known", name)
	}
	row.Precision = p
	return row, nil
}
