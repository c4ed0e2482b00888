package config

import (
	"regexp"
	"strings"
)

// stateLine is the key in a file that is not YAML any more.
var stateLine = regexp.MustCompile(`(?m)^state[ \t]*:[ \t]*(?:"([^"\n]*)"|'([^'\n]*)'|([^\s#"'][^\n]*?))[ \t]*(?:[ \t]#[^\n]*)?\r?$`)

// StateOf is a configuration of which only the place of the state is read, the
// default one where the file does not say, and that of the checkpoints' copy where
// the file is YAML: the server that runs with an earlier version of a file is found
// by it while the file is wrong. It is nil where a reference says the place and
// cannot be resolved: any other place would be a guess.
func StateOf(path string, env Env) *Config {
	cfg := &Config{path: path}
	cfg.defaults()
	src, err := env.ReadFile(path)
	if err != nil {
		return cfg
	}
	text, outside := "", ""
	if doc := parse(src, &report{}); doc != nil && doc.root != nil {
		text, outside = doc.scalar("state"), doc.scalar("server.history.checkpoint_copy")
	} else if m := stateLine.FindSubmatch(src); m != nil {
		text = string(m[1]) + string(m[2]) + string(m[3])
	}
	exp := &expander{env: env, path: path, files: map[string]bool{}}
	state, _, unresolved := exp.expand(text)
	if unresolved != nil {
		return nil
	}
	if strings.HasPrefix(state, "sqlite:") {
		cfg.State = state
	}
	if outside, _, unresolved = exp.expand(outside); unresolved != nil {
		return nil
	}
	if outside != "" {
		cfg.Server.History.CheckpointCopy = Path(cfg.Resolve(outside))
	}
	return cfg
}

// scalar is the text at path; empty where there is none.
func (d *document) scalar(path string) string {
	if e := d.root.lookup(path); e != nil && e.value.kind == kindScalar {
		return e.value.text
	}
	return ""
}
