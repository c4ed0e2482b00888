package feedback

import (
	"errors"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for body, want := range map[string]Feedback{
		`{"request_id":"r","score":0}`:                                                       {Request: "r"},
		`{"request_id":"r","score":1}`:                                                       {Request: "r", Score: 1},
		`{"request_id":"r","score":0.25,"comment":"half","task":"summarise"}`:                {Request: "r", Score: 0.25, Comment: "half", Task: "summarize"},
		`{"request_id":"r","thumbs":"up"}`:                                                   {Request: "r", Score: 1},
		"{\"request_id\":\"r\",\"thumbs\":\"down\"}\n":                                       {Request: "r"},
		`{"request_id":"r","score":1,"comment":"` + strings.Repeat("é", MaxComment/2) + `"}`: {Request: "r", Score: 1, Comment: strings.Repeat("é", MaxComment/2)},
	} {
		got, err := Parse([]byte(body))
		if err != nil || got != want {
			t.Errorf("%.80s: %+v, %v; want %+v", body, got, err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for body, want := range map[string]InvalidError{
		``:                                {"", "unexpected end of the body"},
		`{"request_id":"r"`:               {"", "unexpected end of the body"},
		`[1]`:                             {"", "this is a JSON array"},
		`{"request_id":"r","score":1} {}`: {"", "data after the end of the body"},
		`{"score":1}`:                     {"request_id", "x-request-id"},
		`{"request_id":"","score":1}`:     {"request_id", "x-request-id"},
		`{"request_id":7,"score":1}`:      {"request_id", "must not be a number"},
		`{"request_id":"r"}`:              {"score", "is missing"},
		`{"request_id":"r","score":1,"score":0.2}`:                                           {"score", "twice"},
		`{"request_id":"r","score":1,"SCORE":0}`:                                             {"*", "variant"},
		"{\"request_id\":\"r\",\"score\":1,\"comment\":\"\xff\"}":                            {"comment", "UTF-8"},
		`{"request_id":"r","score":null}`:                                                    {"score", "is missing"},
		`{"request_id":"r","score":1.01}`:                                                    {"score", "from 0 (useless) to 1 (right)"},
		`{"request_id":"r","score":-1}`:                                                      {"score", "from 0 (useless) to 1 (right)"},
		`{"request_id":"r","score":1e999}`:                                                   {"score", "must not be"},
		`{"request_id":"r","score":"1"}`:                                                     {"score", "must not be a string"},
		`{"request_id":"r","score":true}`:                                                    {"score", "must not be a bool"},
		`{"request_id":"r","score":NaN}`:                                                     {"score", "not valid JSON"},
		`{"request_id":"r","thumbs":"ok"}`:                                                   {"thumbs", `"up" or "down"`},
		`{"request_id":"r","scores":1}`:                                                      {"", `unknown field "scores"`},
		`{"request_id":"r","score":1,"thumbs":"up"}`:                                         {"thumbs", "send one of them"},
		`{"request_id":"r","score":1,"task":"sumarize"}`:                                     {"task", `did you mean "summarize"?`},
		`{"request_id":"r","score":1,"task":"zzzzzzzz"}`:                                     {"task", "the tasks are summarize,"},
		`{"request_id":"r","score":1,"comment":"` + strings.Repeat("x", MaxComment+1) + `"}`: {"comment", "4097 bytes; at most 4096"},
		`{"request_id":"` + strings.Repeat("x", maxID+1) + `","score":1}`:                    {"request_id", "no id of a request"},
	} {
		_, err := Parse([]byte(body))
		var invalid *InvalidError
		if !errors.As(err, &invalid) || invalid.Param != want.Param || !strings.Contains(invalid.Message, want.Message) {
			t.Errorf("%.80s: %v (%+v), want %+v", body, err, invalid, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"request_id":"r","score":0.5,"task":"code","comment":"x"}`))
	f.Add([]byte(`{"request_id":"r","thumbs":"up"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := Parse(body)
		if err == nil && (got.Request == "" || !(got.Score >= 0 && got.Score <= 1) || len(got.Comment) > MaxComment) {
			t.Fatalf("%+v", got)
		}
	})
}
