package cli

import (
	"fmt"
	"math"
	"strconv"

	"github.com/spf13/cobra"

	"freehold/internal/classify"
	"freehold/internal/classify/score"
)

func (p *program) routeClassifyEvalCommand() *cobra.Command {
	var model string
	c := p.facts(&cobra.Command{
		Use:   "classify-eval FILE...",
		Short: "Score how well the routing model tells tasks",
		Long: `classify-eval reads prompts with the task that they ask for, one JSON object a
line, compressed or not:

  {"prompt": "...", "label": "summarize"}

and shows how often the routing model is right, how sure it is when it is right,
what it takes for what, and how well it tells simple tasks (summarize, classify,
extract, translate, rewrite, rag_answer) from the others.`,
		Example: `  freehold route classify-eval labelled.jsonl.gz`,
		Args:    takes(1, math.MaxInt),
		RunE:    func(_ *cobra.Command, a []string) error { return p.classifyEval(model, a) },
	})
	c.Flags().StringVar(&model, "model", "", "score `MODEL`: embedded, a version or a file (default: the one in use)")
	return c
}

// classified is the whole answer.
type classified struct {
	Model       string                    `json:"model"`
	Rows        int                       `json:"rows"`
	Trained     int                       `json:"trained_rows"` // of them, that the model was trained on
	Accuracy    float64                   `json:"accuracy"`
	Accuracy95  [2]float64                `json:"accuracy_95"`
	MacroF1     float64                   `json:"macro_f1"`
	MacroF195   [2]float64                `json:"macro_f1_95"`
	SimpleAUC   *float64                  `json:"simple_auc"`
	SimpleAUC95 *[2]float64               `json:"simple_auc_95"`
	Rules       float64                   `json:"rules_accuracy"`
	Calibration float64                   `json:"calibration_error"`
	Coverage    []covered                 `json:"coverage"`
	Confusion   map[string]map[string]int `json:"confusion"`
}

type covered struct {
	Confidence float64  `json:"confidence"`
	Share      float64  `json:"share"`
	Accuracy   *float64 `json:"accuracy"`
}

func (p *program) classifyEval(model string, paths []string) error {
	m, name, err := p.routingModel(model)
	if err != nil {
		return err
	}
	files, err := p.readRows(paths)
	if err != nil {
		return err
	}
	trained := p.sayTrained(m, files)
	var rows []score.Judged
	var wrong []error
	var confidence, right []float64
	byRules := 0
	for _, f := range files {
		for i := range f.Rows {
			r := &f.Rows[i]
			if !r.Labelled {
				wrong = append(wrong, fmt.Errorf("%s:%d: has no label", f.Path, r.Line))
				continue
			}
			v := m.Classify(r.System, r.Prompt)
			rows = append(rows, score.Judged{Label: r.Label, Task: v.Task, Confidence: v.Confidence, Simple: v.Simple})
			if task, _ := score.Rules(r.Prompt); task == r.Label {
				byRules++
			}
			hit := 0.0
			if v.Task == r.Label {
				hit = 1
			}
			confidence, right = append(confidence, v.Confidence), append(right, hit)
		}
	}
	if len(wrong) > 0 {
		return few(wrong)
	}
	s := score.Judge(rows, resamples, drawSeed)
	out := classified{
		Model: name, Rows: len(rows), Trained: trained, Confusion: map[string]map[string]int{},
		Accuracy: round4(s.Accuracy.Value), Accuracy95: [2]float64{round4(s.Accuracy.Low), round4(s.Accuracy.High)},
		MacroF1: round4(s.MacroF1.Value), MacroF195: [2]float64{round4(s.MacroF1.Low), round4(s.MacroF1.High)},
		Rules: round4(float64(byRules) / float64(len(rows))), Calibration: round4(score.CalibrationError(confidence, right)),
	}
	if !math.IsNaN(s.Simple.Value) {
		v := round4(s.Simple.Value)
		out.SimpleAUC = &v
	}
	if !math.IsNaN(s.Simple.Low) {
		out.SimpleAUC95 = &[2]float64{round4(s.Simple.Low), round4(s.Simple.High)}
	}
	for _, c := range score.Coverage(rows, 0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95) {
		x := covered{Confidence: c.Confidence, Share: round4(c.Share)}
		if !math.IsNaN(c.Accuracy) {
			v := round4(c.Accuracy)
			x.Accuracy = &v
		}
		out.Coverage = append(out.Coverage, x)
	}
	for label, verdicts := range s.Confusion {
		for task, n := range verdicts {
			if n > 0 {
				l := classify.Task(label).String()
				if out.Confusion[l] == nil {
					out.Confusion[l] = map[string]int{}
				}
				out.Confusion[l][classify.Task(task).String()] = n
			}
		}
	}
	if p.json {
		return printJSON(p.out, out)
	}
	p.printClassified(&out, &s)
	return nil
}

func (p *program) printClassified(c *classified, s *score.Tasks) {
	p.fields("prompts", count(int64(c.Rows)), "routing model", c.Model,
		"accuracy", within(&c.Accuracy, &c.Accuracy95, 1)+fmt.Sprintf("; hand-written rules %.3f", c.Rules),
		"macro-F1", within(&c.MacroF1, &c.MacroF195, 1),
		"simple AUC", within(c.SimpleAUC, c.SimpleAUC95, 1)+": simple tasks against the rest")
	fmt.Fprintf(p.out, "\nconfidence and accuracy differ by %.3f on average\n\n", c.Calibration)
	t := table{columns: []column{{head: "CONFIDENCE OF AT LEAST", right: true}, {head: "SHARE OF PROMPTS", right: true}, {head: "ACCURACY", right: true}}}
	for _, x := range c.Coverage {
		t.row(strconv.FormatFloat(x.Confidence, 'g', -1, 64), fmt.Sprintf("%.1f %%", 100*x.Share), within(x.Accuracy, nil, 1))
	}
	p.print(&t)
	fmt.Fprintln(p.out, "\nrows: what was asked; columns: what it was taken for")
	short := [classify.TaskCount]string{"SUM", "CLS", "EXT", "TRL", "REW", "RAG", "CHAT", "WRI", "CODE", "MATH", "REAS"}
	m := table{columns: []column{{head: "LABEL", keep: true}}}
	for _, h := range short {
		m.columns = append(m.columns, column{head: h, right: true, keep: true})
	}
	for label, verdicts := range s.Confusion {
		total := 0
		cells := []string{classify.Task(label).String()}
		for _, n := range verdicts {
			total += n
			text := "."
			if n > 0 {
				text = strconv.Itoa(n)
			}
			cells = append(cells, text)
		}
		if total > 0 {
			m.row(cells...)
		}
	}
	p.print(&m)
}
