package rule_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/rule"
)

var names = rule.Names{Targets: []string{"phi-4-mini", "llama-3.1-70b", "llama-3.1-70b@cluster"}, Classes: []string{"public", "restricted"}}

func compile(t testing.TB, text string) *rule.Condition {
	t.Helper()
	c, problems := rule.Compile(text, names)
	if len(problems) > 0 {
		t.Fatalf("%s: %+v", text, problems)
	}
	return c
}

func values() *rule.Values {
	return &rule.Values{
		Task: "summarize", Complexity: 0.25, Confidence: 0.9, Language: "de", PromptTokens: 5999, MaxTokens: 100, Turns: 3,
		HasTools: true, JSON: true, Key: "team-blue", Tags: []string{"batch", "eu"}, DataClass: []string{"public"}, Hour: 23, Day: "sun",
	}
}

func TestMatch(t *testing.T) {
	for text, want := range map[string]bool{
		`task == "summarize" && prompt_tokens < 6000`: true,
		`task in ["translate", "classify"]`:           false,
		`not (task in ["translate"])`:                 true,
		`task not in ["translate"]`:                   true,
		`complexity >= 0.7`:                           false,
		`complexity + confidence > 1`:                 true,
		`prompt_tokens / 2 > 2999`:                    true, // 2999.5: not cut to a whole number
		`prompt_tokens % 2 == 1`:                      true,
		`"batch" in tags and not has_images`:          true,
		`"restricted" in data_class`:                  false,
		`key matches "^team-" && !stream`:             true,
		`key startsWith "team" or key endsWith "red"`: true,
		`key contains "lu"`:                           true,
		`has_tools ? turns > 2 : turns > 5`:           true,
		`hour >= 22 || hour < 6`:                      true,
		`day in ["sat", "sun"] && json`:               true,
		`language != "en" && max_tokens <= 100`:       true,
		`true`:                                        true,
		`(prompt_tokens + max_tokens) * 2 - 1 > -5`:   true,
		`1 < 2 == true`:                               true,
	} {
		got, err := compile(t, text).Match(values())
		if err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestLive(t *testing.T) {
	c := compile(t, `queue("llama-3.1-70b@cluster") > 3 and health("phi-4-mini") == "up" and first_token("phi-4-mini") / 2 < 150 and queue("llama-3.1-70b@cluster") < 9`)
	want := []rule.Live{{Kind: rule.QueueOf, Target: "llama-3.1-70b@cluster"}, {Kind: rule.HealthOf, Target: "phi-4-mini"}, {Kind: rule.FirstTokenOf, Target: "phi-4-mini"}}
	if diff := cmp.Diff(want, c.Live()); diff != "" {
		t.Fatal(diff)
	}
	v := &rule.Values{Numbers: []float64{4, 290}, States: []string{"up"}}
	if got, err := c.Match(v); err != nil || !got {
		t.Errorf("%v, %v", got, err)
	}
	v.States[0] = "down"
	if got, err := c.Match(v); err != nil || got {
		t.Errorf("with a model that is down: %v, %v", got, err)
	}
	if got := string(c.Append(nil, v)); got != `queue("llama-3.1-70b@cluster")=4, health("phi-4-mini")=down, first_token("phi-4-mini")=290` {
		t.Errorf("shown as %s", got)
	}
}

func TestAppend(t *testing.T) {
	all := `task == "code" || complexity > 1 || confidence > 1 || language == "fr" || prompt_tokens > 9999 || max_tokens > 999 || turns > 9 || has_tools == false ||
		has_images || json == false || stream || key == "" || "x" in tags || "restricted" in data_class || hour > 24 || day == "mon" || draw < 0.1 || spend_today("all") > 5`
	c := compile(t, all)
	v := values()
	v.Numbers, v.Draw = []float64{1.5}, 0.1
	want := `task=summarize, complexity=0.25, confidence=0.90, language=de, prompt_tokens=5999, max_tokens=100, turns=3, has_tools=true, ` +
		`has_images=false, json=true, stream=false, key=team-blue, tags=batch+eu, data_class=public, hour=23, day=sun, draw=0.1000, spend_today("all")=1.5`
	if got := string(c.Append(nil, v)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if match, err := c.Match(v); err != nil || match {
		t.Errorf("%v, %v", match, err)
	}
	v.Task, v.Tags = "", nil
	if got := string(c.Append(nil, v)); !strings.HasPrefix(got, "task=-, ") || !strings.Contains(got, "tags=-") {
		t.Errorf("without values: %s", got)
	}
}

// What goes wrong in an evaluation is no match, whatever the text around it.
func TestEvaluationErrors(t *testing.T) {
	for text, want := range map[string]string{
		`100 / (turns - 3) > 1`:                      "at character 5: division by zero",
		`100 % (turns - 3) == 1`:                     "at character 5: division by zero",
		`1 % (2 - 2) > 1`:                            "at character 3: division by zero",
		`complexity / (confidence - confidence) > 0`: "division by zero",
		`not (1 / (turns - 3) > 1)`:                  "division by zero",
	} {
		got, err := compile(t, text).Match(values())
		if got || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v; want an error with %q", text, got, err, want)
		}
	}
	if got, err := compile(t, `turns > 2 || 1 / (turns - 3) > 1`).Match(values()); !got || err != nil {
		t.Errorf("a decided condition reads on: %v, %v", got, err)
	}
}

func TestProblems(t *testing.T) {
	for text, want := range map[string]string{
		`tsk == "summarize"`:                `0: unknown name "tsk" | did you mean "task"?`,
		`task == "sumarize"`:                `8: unknown task "sumarize" | did you mean "summarize"?`,
		`task == "summarise"`:               `8: unknown task "summarise" | did you mean "summarize"?`,
		`"sumarize" == task`:                `0: unknown task "sumarize" | did you mean "summarize"?`,
		`task in ["code", "math"]`:          `17: unknown task "math" | did you mean "maths"?`,
		`day == "sunday"`:                   `7: unknown day "sunday" | one of mon, tue, wed, thu, fri, sat, sun`,
		`language == "german"`:              `12: unknown language "german" | ISO 639-1 codes are told: ar, bg, `,
		`language in ["de", "xx"]`:          `19: unknown language "xx" | ISO 639-1 codes`,
		`language == "DE"`:                  `12: unknown language "DE" | did you mean "de"?`,
		`"restricte" in data_class`:         `0: unknown data class "restricte" | did you mean "restricted"?`,
		`data_class == "public"`:            `11: == does not fit a list of texts and a text | tags and data_class`,
		`prompt_tokens == "6000"`:           `14: == does not fit a number and a text`,
		`prompt_tokens < 6000 &&`:           `22: the condition ends too early`,
		`prompt_tokens = 5`:                 `14: unexpected token Operator("=") | write == to compare`,
		`prompt_tokens`:                     `0: the condition must be true or false, not a number`,
		`task == summarize`:                 `8: unknown name "summarize" | texts stand in quotes`,
		`ask == 1 && prompt_token > 1`:      `0: unknown name "ask" | did you mean "task"?; 12: unknown name "prompt_token" | did you mean "prompt_tokens"?`,
		`health == "up"`:                    `0: health is a function | write health("NAME")`,
		`task() == "code"`:                  `0: task is not a function | write it without ()`,
		`health("phi4-mini") == "up"`:       `7: unknown model or deployment "phi4-mini" | did you mean "phi-4-mini"?`,
		`health("phi-4-mini") == "ok"`:      `24: unknown state "ok" | one of up, trial, limited, down`,
		`health(task) == "up"`:              `health takes one name, in quotes`,
		`queue("phi-4-mini", "x") > 1`:      `queue takes one name, in quotes`,
		`spend_today("team") > 1`:           `12: unknown scope "team" | one of workload, key, all`,
		`helth("phi-4-mini") == "up"`:       `0: unknown function "helth" | did you mean "health"?`,
		`turns / 0 > 1`:                     `8: division by zero`,
		`turns % 0 > 1`:                     `8: division by zero`,
		`key matches "["`:                   `12: error parsing regexp`,
		`key matches key`:                   `12: the pattern of matches must be a text`,
		`all(1..1000000000, # > 0)`:         `cannot`,
		`1..1000000000 == 1..2`:             `the operator .. cannot stand`,
		`2 ** 9999 > 1`:                     `the operator ** cannot stand`,
		`len(tags) > 1`:                     `unknown function "len"`,
		`tags[0] == "x"`:                    `cannot stand in a condition`,
		`key.x == "x"`:                      `cannot stand in a condition`,
		`let x = 1; x > 0`:                  `cannot stand in a condition`,
		`{"a": 1} == {"a": 1}`:              `cannot stand in a condition`,
		`tags == ["x"]`:                     `does not fit`,
		`task in "code maths"`:              `8: unknown task "code maths"`,
		`turns in tags`:                     `6: cannot use a number as a text in a list`,
		`task in [1, 2]`:                    `cannot use a text as a number in a list`,
		`(stream ? 1 : "x") == 1`:           `19: == does not fit`,
		`(stream ? 1 : "x") == 1 || turns`:  `24: || does not fit true or false and a number`,
		`stream < json`:                     `does not fit`,
		`-task == "x"`:                      `does not fit`,
		`!turns`:                            `does not fit`,
		`turns contains "x"`:                `does not fit`,
		`Numbers == 1`:                      `unknown name`,
		`err == 1`:                          `unknown name "err"`,
		`_numbers[0] > 1`:                   `cannot stand`,
		`_divide(1, 0) > 1`:                 `unknown function "_divide"`,
		`$env.task == "code"`:               `cannot stand`,
		`task ?? "x" == "y"`:                `cannot`,
		``:                                  `the condition ends too early`,
		strings.Repeat("1+", 600) + "1 > 1": `nodes`,
		strings.Repeat("(", 4000):           `ends too early`,
		strings.Repeat("x", 5000):           `longer than 4096`,
		"task == \"\xff\"":                  `not UTF-8`,
	} {
		_, problems := rule.Compile(text, names)
		var got []string
		for _, p := range problems {
			s := ""
			if p.Offset > 0 || strings.HasPrefix(want, "0: ") {
				s = string(appendInt(nil, p.Offset)) + ": "
			}
			s += p.Message
			if p.Hint != "" {
				s += " | " + p.Hint
			}
			got = append(got, s)
		}
		if s := strings.Join(got, "; "); s == "" || !strings.Contains(s, want) {
			t.Errorf("%.60s\n got  %s\n want %s", text, s, want)
		}
	}
}

func appendInt(b []byte, n int) []byte {
	if n >= 10 {
		b = appendInt(b, n/10)
	}
	return append(b, byte('0'+n%10))
}

// TestDoubts: a comparison that never holds, or always does, is noticed, and one that
// may hold is not.
func TestDoubts(t *testing.T) {
	for text, want := range map[string]string{
		`hour == 24`:                 `8: hour is from 0 to 23, so this never holds`,
		`turns > 1 || 23 < hour`:     `13: hour is from 0 to 23, so this never holds`,
		`complexity > 70`:            `13: complexity is from 0 to 1, so this never holds`,
		`!(confidence > 2)`:          `15: confidence is from 0 to 1, so this never holds`,
		`draw >= 1`:                  `8: draw is from 0 to less than 1, so this never holds`,
		`hour in [22, 24]`:           `13: hour is from 0 to 23, so this never holds`,
		`turns == -1`:                `9: turns is at least 0, so this never holds`,
		`queue("phi-4-mini") < 0`:    `22: queue("phi-4-mini") is at least 0, so this never holds`,
		`complexity >= 1`:            ``,
		`complexity == 0`:            ``,
		`hour == 23 || hour < 1`:     ``,
		`draw <= 1`:                  `8: draw is from 0 to less than 1, so this always holds`,
		`draw < 1`:                   `7: draw is from 0 to less than 1, so this always holds`,
		`json && 10 > draw`:          `8: draw is from 0 to less than 1, so this always holds`,
		`not (hour < 24)`:            `12: hour is from 0 to 23, so this always holds`,
		`hour <= 23`:                 `8: hour is from 0 to 23, so this always holds`,
		`turns >= 0`:                 `9: turns is at least 0, so this always holds`,
		`complexity > -0.5`:          `13: complexity is from 0 to 1, so this always holds`,
		`turns != -1`:                `9: turns is at least 0, so this always holds`,
		`spend_today("all") >= 0`:    ``,
		`draw <= 0.999`:              ``,
		`hour < 23 || hour > 0`:      ``,
		`complexity < 1`:             ``,
		`draw >= 0.999`:              ``,
		`prompt_tokens > 1000000000`: ``,
		`hour + 1 == 24`:             ``,
		`hour > turns`:               ``,
	} {
		var got []string
		for _, p := range compile(t, text).Doubts() {
			got = append(got, fmt.Sprintf("%d: %s", p.Offset, p.Message))
		}
		if strings.Join(got, "; ") != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestUses(t *testing.T) {
	if got := compile(t, `task == "code" && hour > 3`).Uses(); got != rule.Task|rule.Hour {
		t.Errorf("uses %b", got)
	}
}

// FuzzCondition: no text makes the compiler or an evaluation panic or run
// long, and what compiles gives the same answer twice.
func FuzzCondition(f *testing.F) {
	for _, s := range []string{`task == "summarize" && prompt_tokens < 6000`, `1 / (turns - 3) > 1`, `all(tags, # == "x")`, `health("phi-4-mini") in ["up"]`,
		`key matches "a+$" ? -turns % 2 == 1 : not json`, `let a = 1; a`, "\"\\u0041\" in tags", `((((`, `1..9`, `0x1F == 1e9`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, problems := rule.Compile(text, names)
		if (c == nil) != (len(problems) > 0) {
			t.Fatalf("condition %v with problems %v", c, problems)
		}
		for _, p := range problems {
			if p.Message == "" || p.Offset < 0 || p.Offset > len([]rune(text)) {
				t.Fatalf("problem %+v", p)
			}
		}
		if c == nil {
			return
		}
		v := values()
		v.Numbers, v.States = make([]float64, len(c.Live())), make([]string, len(c.Live()))
		a, err := c.Match(v)
		b, again := c.Match(v)
		if a != b || (err == nil) != (again == nil) || err != nil && a {
			t.Fatalf("%v %v, then %v %v", a, err, b, again)
		}
		c.Append(nil, v)
	})
}

func BenchmarkMatch(b *testing.B) {
	for name, text := range map[string]string{
		"two": `task == "summarize" && prompt_tokens < 6000`, "live": `queue("phi-4-mini") > 3 || health("phi-4-mini") == "down"`,
		"list": `"x" in tags`, "division": `prompt_tokens / 4 > 5`,
	} {
		c := compile(b, text)
		v := values()
		v.Numbers, v.States = []float64{1}, []string{"up"}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Match(v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
