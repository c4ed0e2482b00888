package admin_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"freehold/internal/admin"
	"freehold/internal/capture"
	"freehold/internal/feedback"
	"freehold/internal/history"
)

func TestCaptures(t *testing.T) {
	w := start(t)
	id := w.ask(t, "chat")
	w.ask(t, "private")
	list := call(t, w.socket, admin.CaptureList, admin.CapturesIn{Reason: "looking"})
	if len(list.Captures) != 1 || list.Captures[0].ID != id || list.Captures[0].Workload != "chat" || list.Captures[0].Outcome != "ok" {
		t.Fatalf("list: %+v", list)
	}
	if c := list.Captures[0]; c.Expires.Sub(c.Time) != 72*time.Hour {
		t.Errorf("kept from %v to %v", c.Time, c.Expires)
	}
	show := call(t, w.socket, admin.CaptureShow, admin.CaptureIn{ID: id, Reason: "ticket 812"})
	if show.Request.Text != `{"model":"chat","messages":[{"role":"user","content":"Hi"}]}` || show.Request.Cut ||
		show.Request.Size != int64(len(show.Request.Text)) || !strings.Contains(show.Answer.Text, `"object":"chat.completion"`) {
		t.Errorf("show: %+v", show)
	}
	fitsDocument(t, admin.CaptureList.Operation, list)
	fitsDocument(t, admin.CaptureShow.Operation, show)

	fails(t, w.socket, admin.CaptureShow, admin.CaptureIn{ID: "nothing"}, admin.CodeNotFound)
	fails(t, w.socket, admin.CaptureErase, admin.CaptureEraseIn{}, admin.CodeInvalid)
	fails(t, w.socket, admin.CaptureErase, admin.CaptureEraseIn{CaptureFilter: admin.CaptureFilter{Key: "nobody"}}, admin.CodeNotFound)
	if no := fails(t, w.socket, admin.CaptureErase, admin.CaptureEraseIn{CaptureFilter: admin.CaptureFilter{Tenant: "nosuch"}}, admin.CodeNotFound); !strings.Contains(no.Hint, "freehold usage") {
		t.Errorf("%+v", no)
	}
	twice := call(t, w.socket, admin.KeysCreate, admin.KeysCreateIn{Name: "bob"})
	byName := admin.CaptureEraseIn{CaptureFilter: admin.CaptureFilter{Key: "bob"}}
	if out := call(t, w.socket, admin.CaptureErase, byName); out.Erased != 0 {
		t.Errorf("erased: %+v", out)
	}
	next := call(t, w.socket, admin.KeysRotate, admin.KeysRotateIn{ID: twice.ID})
	if no := fails(t, w.socket, admin.CaptureErase, byName, admin.CodeInvalid); !strings.Contains(no.Hint, twice.ID+", "+next.ID) {
		t.Errorf("%+v", no)
	}
	_, err := w.app.Ledger.Request(t.Context(), id) // it is in the store then
	check(t, err)
	_, err = w.app.Feedback.PutFeedback(t.Context(), feedback.Feedback{Request: id, Time: time.Now(), Score: 1, Comment: "private"})
	check(t, err)
	if out := call(t, w.socket, admin.CaptureErase, admin.CaptureEraseIn{ID: id, Reason: "asked for"}); out.Erased != 1 || out.Comments != 1 {
		t.Errorf("erased: %+v", out)
	}
	if f, err := w.app.Feedback.Feedback(t.Context(), id); err != nil || f.Comment != "" || f.Score != 1 {
		t.Errorf("feedback: %+v %v", f, err)
	}
	fails(t, w.socket, admin.CaptureShow, admin.CaptureIn{ID: id}, admin.CodeNotFound)

	// What was done is on record, once each, with who and why.
	for kind, why := range map[history.Kind]string{capture.KindList: "looking", capture.KindRead: "ticket 812", capture.KindErase: "asked for"} {
		got := call(t, w.socket, admin.HistoryList, admin.HistoryIn{Kind: []string{string(kind)}}).Records
		got = slices.DeleteFunc(got, func(r history.Record) bool { return r.Why == "" })
		if len(got) != 1 || got[0].Why != why || got[0].Who.String() != "os:tester" {
			t.Errorf("%s: %+v", kind, got)
		}
	}
}

// TestCapturesNeedACaller: on a server without authentication the admin API is
// open to whoever reaches the loopback listener. Texts are not.
func TestCapturesNeedACaller(t *testing.T) {
	w := start(t)
	id := w.ask(t, "chat")
	nobody := &admin.Client{Base: w.url}
	fails(t, nobody, admin.CaptureList, admin.CapturesIn{}, admin.CodeDenied)
	fails(t, nobody, admin.CaptureShow, admin.CaptureIn{ID: id}, admin.CodeDenied)
	fails(t, nobody, admin.CaptureErase, admin.CaptureEraseIn{ID: id}, admin.CodeDenied)
	fails(t, &admin.Client{Base: w.url, Key: "any"}, admin.CaptureShow, admin.CaptureIn{ID: id}, admin.CodeDenied) // no key of ours
}

// fitsDocument validates an answer by the document's schema.
func fitsDocument(t *testing.T, op *admin.Operation, out any) {
	t.Helper()
	_, raw := openAPI(t)
	body, err := json.Marshal(out)
	check(t, err)
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	check(t, err)
	if err := at(t, raw, "/paths/"+escape(op.Path)+"/get/responses/200/content/application~1json/schema").Validate(v); err != nil {
		t.Errorf("%s: %v\n%s", op.Name, err, body)
	}
}
