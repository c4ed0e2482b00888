package classify

import "fmt"

// Task is what a prompt asks a model to do.
type Task uint8

// The tasks, in the order of the model's weights.
const (
	Summarize Task = iota
	Classification
	Extract
	Translate
	Rewrite
	RAGAnswer
	ChatQA
	Write
	Code
	Maths
	Reasoning
)

// TaskCount is how many tasks there are.
const TaskCount = 11

var taskNames = [TaskCount]string{
	"summarize", "classify", "extract", "translate", "rewrite", "rag_answer", "chat_qa", "write", "code", "maths", "reasoning",
}

// String is the task's name in rules, records and data files.
func (t Task) String() string {
	if int(t) < len(taskNames) {
		return taskNames[t]
	}
	return fmt.Sprintf("task(%d)", uint8(t))
}

// Simple reports a task that a small model does well: the answer is in the
// prompt already, and has to be taken out of it or put in another form.
func (t Task) Simple() bool { return t <= RAGAnswer }

// Tasks lists all tasks.
func Tasks() []Task {
	out := make([]Task, TaskCount)
	for i := range out {
		out[i] = Task(i)
	}
	return out
}

// TaskNames lists the names of all tasks.
func TaskNames() []string { return append([]string(nil), taskNames[:]...) }

// otherNames are spellings that data files use for a task.
var otherNames = map[string]Task{"summarise": Summarize, "classification": Classification, "math": Maths, "translation": Translate}

// ParseTask reads the name of a task, in the spellings that data files have.
func ParseTask(name string) (Task, bool) {
	for i, n := range taskNames {
		if n == name {
			return Task(i), true
		}
	}
	t, ok := otherNames[name]
	return t, ok
}
