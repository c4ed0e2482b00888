package sdk

import (
	"slices"
	"testing"
)

// check is one thing that must hold for applications.
type check struct {
	name string
	// run asks and judges.
	run func(*cell)
	// provider limits the check to one dialect of providers; empty: both.
	provider string
	// fallback gives the workload a second provider.
	fallback bool
	// upstream is who answers: the primary mock, thinker or strange.
	upstream string
	// mode of the model, where it is not chat.
	mode string
	// workload is more of the workload's configuration.
	workload string
}

// cell is a check under way, for one language and one provider dialect.
type cell struct {
	*testing.T
	*world
	check  check
	caller caller
	python bool
}

// ask calls the SDK with the check's own workload as the model.
func (c *cell) ask(op string, params object) outcome {
	c.Helper()
	return c.step(step{Op: op, Params: params})
}

func (c *cell) step(s step) outcome {
	c.Helper()
	if s.Op != "models" && s.Op != "model" && s.Op != "post" {
		p := object{"model": c.check.name}
		for k, v := range s.Params {
			p[k] = v
		}
		s.Params = p
	}
	return c.caller.do(c.T, s)
}

// must is ask for what must succeed.
func (c *cell) must(op string, params object) outcome {
	c.Helper()
	o := c.ask(op, params)
	if o.Error != nil {
		c.Fatalf("%s failed: %+v", op, *o.Error)
	}
	return o
}

// fail sets the faults of the primary provider.
func (c *cell) fail(specs ...string) {
	c.Helper()
	if err := c.primary.Fail(specs...); err != nil {
		c.Fatal(err)
	}
}

// TestOpenAI and TestAnthropic run the tables: client dialect (the test), times
// provider dialect, times language.
func TestOpenAI(t *testing.T) { table(t, "openai", openAIChecks()) }

func TestAnthropic(t *testing.T) { table(t, "anthropic", anthropicChecks()) }

func table(t *testing.T, client string, all []check) {
	for _, provider := range []string{"openai", "anthropic"} {
		checks := slices.DeleteFunc(slices.Clone(all), func(c check) bool { return c.provider != "" && c.provider != provider })
		for _, language := range []string{"go", "python"} {
			t.Run("at "+provider+"/"+language, func(t *testing.T) {
				w := start(t, provider, checks)
				var by caller
				switch {
				case language == "python":
					by = startPython(t, client, w)
				case client == "openai":
					by = goOpenAI{w}
				default:
					by = goAnthropic{w}
				}
				for _, c := range checks {
					t.Run(c.name, func(t *testing.T) {
						defer w.rest()
						c.run(&cell{T: t, world: w, check: c, caller: by, python: language == "python"})
					})
				}
			})
		}
	}
}
