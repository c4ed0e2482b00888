package classify

import (
	"math"
	"strings"
	"testing"
)

func embeddedModel(t testing.TB) *Model {
	t.Helper()
	m, err := Embedded()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestTasks asks for tasks in words that are not in the training data.
func TestTasks(t *testing.T) {
	m := embeddedModel(t)
	const article = "The ferry company Norlinie said on Friday that it would cut its night service to the islands from October. Fuel has become a third more expensive, and half of the cabins stayed empty last winter. Island mayors called the decision a disaster for patients who need to reach the hospital on the mainland."
	for _, x := range []struct {
		task         Task
		system, user string
	}{
		{Summarize, "", "Please give me a summary of this news item in two sentences.\n\n" + article},
		{Summarize, "Summarize the text of the user in one sentence.", article},
		{Summarize, "", "Fasse diese Meldung bitte in einem Satz zusammen:\n\n" + article},
		{Translate, "", "Translate this announcement into Dutch:\n\n" + article},
		{Translate, "", "Traduce al francés: el tren llega tarde"},
		{Translate, "", "请翻译成英文：明天会下雨。"},
		{Classification, "", "Is the following product review positive or negative? The zipper broke on day two and nobody answers my mails."},
		{Extract, "", "Extract all names of companies and all dates as JSON.\n\n" + article},
		{Rewrite, "", "Rewrite this sentence so that it sounds friendlier: You have to pay until Friday."},
		{RAGAnswer, "", "Context: " + article + "\n\nQuestion: Why are the mayors angry?\nAnswer:"},
		{Code, "", "Write a Python function that returns the n largest values of a dictionary.\n\n```python\ndef largest(d, n):\n```"},
		{Maths, "", "A crate holds 24 bottles. A shop sells 310 bottles a week. How many crates does it have to order for 3 weeks?"},
		{Write, "", "Write a short poem about a snail that wins a race."},
		{ChatQA, "", "who discovered penicillin"},
		// Openings with little behind them, or nothing.
		{Summarize, "", "Summarize this ticket"},
		{Summarize, "", "Summarize this ticket: the customer says that the printer is broken"},
		{Summarize, "", "Summarize this PDF for me please"},
		{Summarize, "", "Shorten this paragraph: The weather was bad on Monday. It was bad on Tuesday as well, and on Wednesday it rained."},
		{Summarize, "", "Fasse dieses Ticket zusammen"},
		{Summarize, "", "Resume este ticket"},
		{Summarize, "", "このチケットを要約して"},
		{Classification, "", "What is the sentiment of this tweet: I hate Mondays"},
		{Extract, "", "Extract the customer name from this ticket"},
		{Translate, "", "Übersetze dieses Ticket ins Französische"},
		{RAGAnswer, "", "Based on the following document, what is the refund period? Document: Refunds are possible within 30 days of purchase."},
		{RAGAnswer, "", "Wer ist laut Dokument der Besitzer? Dokument: Der Besitzer ist Herr Bell."},
		{ChatQA, "", "What is a support ticket?"},
		{ChatQA, "", "What is sentiment analysis?"},
		{Reasoning, "", "Logic puzzle: Four houses stand in a row. The doctor lives left of the painter. The painter does not live at the end. The cook lives next to the doctor. Clue 4: the pilot lives in house 4. Where does the cook live? Deduce it step by step."},
	} {
		v := m.Classify(x.system, x.user)
		if v.Task != x.task || v.Confidence < 0.5 { // what is less sure, rules do not see
			t.Errorf("%q is taken for %s (%.2f), is %s (%.2f)", begin(x.user, 60), v.Task, v.Confidence, x.task, v.Tasks[x.task])
		}
	}
}

// TestComplexity: what everybody would call hard is harder than what nobody would.
func TestComplexity(t *testing.T) {
	m := embeddedModel(t)
	easy := m.Classify("", "which city is the capital of italy").Complexity
	for _, hard := range []string{
		"Find the number of positive integers $n \\le 2024$ such that $n^2 + n + 1$ is divisible by $7$, and prove your answer.",
		"Write a function that parses arithmetic expressions with parentheses and evaluates them without eval.",
	} {
		if got := m.Classify("", hard).Complexity; got <= easy {
			t.Errorf("%q has complexity %.2f, a simple question %.2f", hard, got, easy)
		}
	}
}

// odd are texts that have broken classifiers.
var odd = []string{
	"", " ", "\n\n\n", "\x00", "\xff\xfe\xfd", "\xe2\x82", strings.Repeat("\xff", 5000), strings.Repeat("\u200b", 3000), "?", "(", "(((((((((", "a(", "(A", "$", "```",
	strings.Repeat("a", 1<<20), strings.Repeat("漢", 5000), strings.Repeat("9", 100_000), strings.Repeat("e\u0301\u0301\u0301\u0301", 2000), "\U0010ffff", strings.Repeat("\n", 100_000),
}

func check(t *testing.T, v Verdict) {
	t.Helper()
	var sum float64
	for _, p := range append(v.Tasks[:], v.Confidence, v.Simple, v.Complexity) {
		if math.IsNaN(p) || p < 0 || p > 1+1e-9 {
			t.Fatalf("a chance is %v: %+v", p, v)
		}
	}
	for _, p := range v.Tasks {
		sum += p
	}
	if math.Abs(sum-1) > 1e-6 || v.Confidence != v.Tasks[v.Task] {
		t.Fatalf("chances sum to %v: %+v", sum, v)
	}
}

func TestOddTexts(t *testing.T) {
	m := embeddedModel(t)
	for _, text := range odd {
		check(t, m.Classify("", text))
		check(t, m.Classify(text, text))
		if m.ClassifyBytes([]byte(text), []byte(text)) != m.Classify(text, text) {
			t.Errorf("%q: bytes and text differ", begin(text, 20))
		}
	}
	check(t, m.ClassifyBytes(nil, nil))
}

// TestBounded: what is between begin and end of a long prompt is not read.
func TestBounded(t *testing.T) {
	m := embeddedModel(t)
	head, tail := strings.Repeat("Translate the letter. ", 200), strings.Repeat(" Thank you!", 200)
	a := m.Classify("", head+strings.Repeat("x y ", 1<<20)+tail)
	b := m.Classify("", head+strings.Repeat("def f; ", 1<<22/7+1)[:1<<22]+tail)
	if a != b {
		t.Errorf("the middle of 4 MB was read: %+v, %+v", a, b)
	}
}

// TestAllocates: a decision leaves nothing behind for the garbage collector.
func TestAllocates(t *testing.T) {
	m := embeddedModel(t)
	text := strings.Repeat("Summarize the following article (A) about the harbour. ", 100)
	var s scratch
	m.classify(&s, text, text)
	if n := testing.AllocsPerRun(20, func() { m.classify(&s, "You are helpful.", text) }); n > 0 {
		t.Errorf("%v allocations a prompt", n)
	}
}

func FuzzClassify(f *testing.F) {
	for _, text := range odd {
		f.Add(begin(text, 100), begin(text, 4000))
	}
	f.Add("system", "Summarize: (A) one (B) two\nA. x\nB. y\n```go\nfunc main() {}\n``` $x^2$ \\frac{1}{2}")
	m := embeddedModel(f)
	f.Fuzz(func(t *testing.T, system, user string) {
		v := m.Classify(system, user)
		check(t, v)
		if m.ClassifyBytes([]byte(system), []byte(user)) != v {
			t.Fatal("bytes and text differ")
		}
		for _, x := range Read(system, user).Features {
			if x.Index >= Inputs || math.IsNaN(float64(x.Value)) {
				t.Fatalf("feature %+v", x)
			}
		}
	})
}

func BenchmarkClassify(b *testing.B) {
	m := embeddedModel(b)
	text := strings.Repeat("The committee met on Tuesday to discuss the 3rd budget (see page 12), which had been refused twice; nobody knew why. ", 1<<20/110)
	for _, n := range []int{300, 3000, 40_000, 1 << 20} {
		b.Run(map[int]string{300: "300B", 3000: "3KB", 40_000: "40KB", 1 << 20: "1MB"}[n], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Classify("You are a helpful assistant.", text[:n])
			}
		})
	}
}
