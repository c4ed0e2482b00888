package learn

import "freehold/internal/classify"

const (
	// replayWeight is what a replayed prompt counts beside a row.
	replayWeight = 0.4
	// FewOfTask is how many rows of a task it takes for the rows to speak of it.
	FewOfTask = 10
	// ReplayName is what freehold's prompts of tasks that the rows lack are called
	// where scores are shown.
	ReplayName = "other tasks"
)

// replay takes freehold's own prompts, one of every second wording, but for those that are
// among the rows. A model that is adapted is held to what it made of them before,
// right or wrong: rows of few kinds would else take the place of all others, for
// nothing in them speaks against it. Their labels are there to measure by.
func (t *trainer) replay() error {
	own, err := read(ReplayName, classify.Prompts())
	if err != nil {
		return err
	}
	among := map[classify.RowID]bool{}
	for _, e := range t.rows {
		among[e.row.id()] = true
	}
	groups := map[string]bool{}
	for i := range own.Rows {
		r := &own.Rows[i]
		if groups[r.Group] || among[r.id()] {
			continue
		}
		groups[r.Group] = true
		if len(groups)%2 == 0 {
			continue
		}
		e := &example{file: own, row: r, own: fold(r.Prompt), group: fold(r.Group), vector: classify.Read(r.System, r.Prompt)}
		t.replayed = append(t.replayed, e)
	}
	if t.opt.From == nil {
		return nil
	}
	tasks, hard := head{classify.TaskCount, t.base.Tasks}, head{1, t.base.Complexity}
	for _, e := range t.replayed {
		e.before = tasks.logits(e.vector.Features)
		crossEntropy(e.before, 0)
		e.hardBefore = sigmoid(hard.logits(e.vector.WithTasks((*[classify.TaskCount]float64)(e.before)))[0])
	}
	return nil
}

// others are the tasks that the rows hardly speak of, and what became of prompts
// of these when they were not replayed.
func (t *trainer) others(m *classify.Model) (lacking []classify.Task, out []HeldOut) {
	var rows [classify.TaskCount]int
	for _, e := range t.rows {
		if e.row.Labelled {
			rows[e.row.Label]++
		}
	}
	for _, task := range classify.Tasks() {
		if rows[task] < FewOfTask {
			lacking = append(lacking, task)
		}
	}
	for _, e := range t.replayed {
		if rows[e.row.Label] < FewOfTask {
			out = append(out, HeldOut{
				File: e.file, Row: e.row, Fold: e.own, TaskFold: e.group,
				Verdict: m.Judge((*[classify.TaskCount]float64)(e.logits), 0),
			})
		}
	}
	return lacking, out
}
