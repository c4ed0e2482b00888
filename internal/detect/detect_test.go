package detect_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"freehold/internal/detect"
)

// found lists what a text holds, as kind:text.
func found(t testing.TB, s *detect.Set, text string) string {
	t.Helper()
	var out []string
	for _, h := range s.Text([]byte(text)) {
		out = append(out, h.Kind+":"+text[h.Start:h.End])
	}
	return strings.Join(out, " | ")
}

func compile(t testing.TB, kinds ...string) *detect.Set {
	t.Helper()
	s, err := detect.Compile([]detect.Rule{{Kinds: kinds}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Numbers are published examples of their issuers or made up with a right check
// digit; keys are made up.
func TestFinds(t *testing.T) {
	all := compile(t, detect.Kinds()...)
	for _, c := range []struct{ text, want string }{
		{"write to anna.schmidt+news@mail.example.org, please", "email:anna.schmidt+news@mail.example.org"},
		{"<bob@x.de>.", "email:bob@x.de"},
		{"'o'neil@example.ie'", "email:o'neil@example.ie"},
		{"邮箱是bob@x.de谢谢", "email:bob@x.de"},
		{"anna@müller.example", "email:anna@müller.example"},
		{"anna@пример.рф!", "email:anna@пример.рф"},

		{"+49 30 901820", "phone:+49 30 901820"},
		{"+49 (0)30 9018-20 x", "phone:+49 (0)30 9018-20"},
		{"call +1 (415) 555-2671.", "phone:+1 (415) 555-2671"},
		{"+442079460958", "phone:+442079460958"},
		{"0049 30 901820", "phone:0049 30 901820"},
		{"(212) 555-0123", "phone:(212) 555-0123"},
		{"212-555-0123", "phone:212-555-0123"},
		{"1-212-555-0123", "phone:1-212-555-0123"},
		{"01 23 45 67 89", "phone:01 23 45 67 89"},
		{"020 7946 0958", "phone:020 7946 0958"},
		{"0171/1234567", "phone:0171/1234567"},
		{"(030) 9018200", "phone:(030) 9018200"},
		{"Telefon 9018200", "phone:9018200"},
		{"Handy: 01711234567", "phone:01711234567"},

		{"DE89 3704 0044 0532 0130 00", "iban:DE89 3704 0044 0532 0130 00"},
		{"de89370400440532013000", "iban:de89370400440532013000"},
		{"GB29NWBK60161331926819", "iban:GB29NWBK60161331926819"},
		{"FR14 2004 1010 0505 0001 3M02 606", "iban:FR14 2004 1010 0505 0001 3M02 606"},
		{"NO9386011117947", "iban:NO9386011117947"},
		{"MT84MALT011000012345MTLCAST001S", "iban:MT84MALT011000012345MTLCAST001S"},

		{"4111111111111111", "card:4111111111111111"},
		{"4111 1111 1111 1111", "card:4111 1111 1111 1111"},
		{"4111-1111-1111-1111", "card:4111-1111-1111-1111"},
		{"4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "card:4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"},
		{"5555555555554444", "card:5555555555554444"},
		{"2223003122003222", "card:2223003122003222"},
		{"3782 822463 10005", "card:3782 822463 10005"},
		{"6011111111111117", "card:6011111111111117"},
		{"3056 930902 5904", "card:3056 930902 5904"},
		{"3530111333300000", "card:3530111333300000"},
		{"我的卡号4111111111111111谢谢", "card:4111111111111111"},
		{"a,4111111111111111,12", "card:4111111111111111"},
		{"4111 1111 1111 1111 123", "card:4111 1111 1111 1111"},

		{"078-05-1120 is SSN", "us-ssn:078-05-1120"},
		{"ssn 219099999", "us-ssn:219099999"},
		{"AB 12 34 56 C", "uk-nino:AB 12 34 56 C"},
		{"jg103759a", "uk-nino:jg103759a"},
		{"Steuer-ID 86095742719", "de-steuer-id:86095742719"},
		{"86 095 742 719", "de-steuer-id:86 095 742 719"},
		{"2 55 08 14 168 025 38", "fr-nir:2 55 08 14 168 025 38"},
		{"255081416802538", "fr-nir:255081416802538"},
		{"12345678Z", "es-dni:12345678Z"},
		{"12.345.678-Z", "es-dni:12.345.678-Z"},
		{"X1234567L", "es-dni:X1234567L"},
		{"RSSMRA85T10A562S", "it-codice-fiscale:RSSMRA85T10A562S"},
		{"BSN 111222333", "nl-bsn:111222333"},
		{"44051401359", "pl-pesel:44051401359"},
		{"811218-9876", "se-personnummer:811218-9876"},
		{"19811218-9876", "se-personnummer:19811218-9876"},
		{"93.05.18-223.61", "be-rrn:93.05.18-223.61"},
		{"93051822361", "be-rrn:93051822361"},
		{"756.9217.0769.85", "ch-ahv:756.9217.0769.85"},
		{"7569217076985", "ch-ahv:7569217076985"},
		{"529.982.247-25", "br-cpf:529.982.247-25"},
		{"52998224725", "br-cpf:52998224725"},
		{"2341 2341 2346", "in-aadhaar:2341 2341 2346"},
		{"aadhaar 234123412346", "in-aadhaar:234123412346"},
		{"11010519491231002X", "cn-resident-id:11010519491231002X"},
		{"SIN: 130 692 544", "ca-sin:130 692 544"},
		{"131052-308T", "fi-hetu:131052-308T"},
		{"01129900160", "no-fnr:01129900160"},

		{"AKIAIOSFODNN7EXAMPLE", "aws-key:AKIAIOSFODNN7EXAMPLE"},
		{"ghp_" + strings.Repeat("aB3", 12), "github-token:ghp_" + strings.Repeat("aB3", 12)},
		{"key sk-ant-api03-" + strings.Repeat("xY7_", 8) + ".", "anthropic-key:sk-ant-api03-" + strings.Repeat("xY7_", 8)},
		{"sk-proj-" + strings.Repeat("xY7", 8), "openai-key:sk-proj-" + strings.Repeat("xY7", 8)},
		{"xoxb-123456789012-abcdefABCDEF", "slack-token:xoxb-123456789012-abcdefABCDEF"},
		{"AIza" + strings.Repeat("Q", 35), "google-key:AIza" + strings.Repeat("Q", 35)},
		{"sk_live_" + strings.Repeat("a1", 12), "stripe-key:sk_live_" + strings.Repeat("a1", 12)},
		{"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
			"jwt:eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"},
		{"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- x",
			"private-key:-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"},
		{"password = hunter2!X", "credential:hunter2!X"},
		{"DB_PASSWORD='tr0ub4dor&3'", "credential:tr0ub4dor&3"},
		{"Authorization: Bearer abcdEFGH12345678ijkl", "credential:abcdEFGH12345678ijkl"},
		{"aws_secret_access_key: wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "credential:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},
		{"postgres://app:s3cr3tpass@db.internal/x", "email:s3cr3tpass@db.internal | credential:s3cr3tpass"},
	} {
		if got := found(t, all, c.text); got != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

// What looks alike and is not.
func TestPasses(t *testing.T) {
	all := compile(t, detect.Kinds()...)
	for _, text := range []string{
		"", "a@b", "user@localhost", "git@github.com:org/repo.git", "icon@2x.png", "@types/node", "foo @app.route",
		"4111111111111112", "1234567890123456", "order 5555555555554445", "0.4111111111111111", "id_4111111111111111", "4111 111 111 1 1111 1",
		"DE89 3704 0044 0532 0130 01", "DE12", "BSN 111222334", "111222333", "000-12-3456", "666-12-3456", "123-45-6789-1234",
		"2024-12-31 23:59:59", "31.12.2024 12:30", "192.168.100.200", "010.011.012.013", "1712345678", "1712345678901", "version 1.2.3.4",
		"550e8400-e29b-41d4-a716-446655440000", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		"3.14159265358979323846", "1,000,000,000", "max_tokens: 4096", "token: string", `"password": {"type": "string"}`, "password: ********", "api_key: ${env:OPENAI_API_KEY}",
		"sk-learn-is-a-library-for-machine-learning", "secret santa", "the token is valid", "RSSMRA85T10A562T", "12345678A", "X1234567A", "AB123456E",
		"x = y + 12345678", "C++20 and C++11", "call f(2, 3)", "(see 12) 345", "room (212) 5", "86095742718", "44051401358", "234123412346",
		"ISBN 978-3-16-148410-0", "EAN 4006381333931", "-----BEGIN CERTIFICATE-----", "-----------", "https://example.org/a/b?c=d#e",
	} {
		if got := found(t, all, text); got != "" {
			t.Errorf("%q: %s", text, got)
		}
	}
}

// A prompt that is made to fool a reader of bytes fools no reader of text.
func TestFolds(t *testing.T) {
	all := compile(t, "email", "card", "iban", "phone")
	card := "4111111111111111"
	fullWidth := strings.Map(func(r rune) rune { return r + 0xFEE0 }, card)
	mathematical := strings.Map(func(r rune) rune { return r - '0' + 0x1D7CE }, card)
	arabic := strings.Map(func(r rune) rune { return r - '0' + 0x0660 }, card)
	tags := strings.Map(func(r rune) rune { return r + 0xE0000 }, card)
	var struck, keycaps, hidden strings.Builder
	for _, r := range card {
		fmt.Fprintf(&struck, "%c\u0336", r)
		fmt.Fprintf(&keycaps, "%c\uFE0F\u20E3", r)
		fmt.Fprintf(&hidden, "%c\u200B\u00AD\uFEFF", r)
	}
	for name, text := range map[string]string{
		"full width": fullWidth, "mathematical": mathematical, "arabic": arabic, "tags": tags, "struck through": struck.String(),
		"keycaps": keycaps.String(), "zero width": hidden.String(), "no-break spaces": "4111\u00A01111\u202F1111\u20091111",
		"dashes": "4111\u20111111\u20131111\u22121111",
	} {
		hits := all.Text([]byte("pay with " + text + " now"))
		if len(hits) != 1 || hits[0].Kind != "card" {
			t.Errorf("%s: %v", name, hits)
			continue
		}
		if got := ("pay with " + text + " now")[hits[0].Start:hits[0].End]; strings.TrimRight(got, "\u200B\u00AD\uFEFF") != strings.TrimRight(text, "\u200B\u00AD\uFEFF") {
			t.Errorf("%s: found %q of %q", name, got, text)
		}
	}
	for _, text := range []string{"bоb@ехample.com", "bob＠example．com", "b\u200Bob@exam\u2060ple.com", "ｂｏｂ@example.com", "𝐛𝐨𝐛@example.com"} {
		if hits := all.Text([]byte(text)); len(hits) != 1 || hits[0].Kind != "email" || hits[0].Start != 0 || hits[0].End != len(text) {
			t.Errorf("%q: %v", text, hits)
		}
	}
}

// In JSON a hit is found behind escapes, within one string, and its place is
// that of the bytes.
func TestJSON(t *testing.T) {
	all := compile(t, "email", "card", "credential", "private-key", "phone")
	for _, c := range []struct{ body, want string }{
		{`{"a":"x\nbob@x.de\n"}`, "email:bob@x.de"},
		{`{"a":"\u0062ob\u0040x.de"}`, `email:\u0062ob\u0040x.de`},
		{`{"arguments":"{\"mail\":\"bob@x.de\"}"}`, "email:bob@x.de"},
		{`{"arguments":"{\"mail\":\"line\\nbob@x.de\"}"}`, "email:bob@x.de"},
		{`{"arguments":"{\"mail\":\"\\u0062ob@x.de\"}"}`, `email:\\u0062ob@x.de`},
		{`{"arguments":"{\"a\":\"{\\\"b\\\":\\\"x\\\\n4111111111111111\\\"}\"}"}`, "card:4111111111111111"},
		{`{"bob@x.de":1}`, "email:bob@x.de"},
		{`{"input":{"card":4111111111111111,"n":12}}`, "card:4111111111111111"},
		{`["4111 1111","1111 1111"]`, ""},
		{`{"input":{"password":"hunter2!X"}}`, "credential:hunter2!X"},
		{`{"a":"-----BEGIN PRIVATE KEY-----\nMII","b":"c"}`, `private-key:-----BEGIN PRIVATE KEY-----\nMII`},
		{`{"url":"data:image/png;base64,` + strings.Repeat("QUJD", 10) + `/4111111111111111/"}`, ""},
		{`{"url":"data:text/plain;base64,aaaa/4111111111111111/"}`, "card:4111111111111111"},
		{`{"data":"` + strings.Repeat("QUJD", 100) + `/4111111111111111/"}`, "card:4111111111111111"},
		{`{"data":"` + strings.Repeat("QUJD", 100) + `/0171/1234567/"}`, ""},
	} {
		if !json.Valid([]byte(c.body)) {
			t.Fatalf("%s is not JSON", c.body)
		}
		var out []string
		for _, h := range all.JSON([]byte(c.body)) {
			out = append(out, h.Kind+":"+c.body[h.Start:h.End])
		}
		if got := strings.Join(out, " | "); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.body, got, c.want)
		}
	}
}

func TestPatterns(t *testing.T) {
	s, err := detect.Compile([]detect.Rule{
		{Kinds: []string{"email"}},
		{Patterns: map[string]string{"case": `AZ-\d{6}`, "rest": `top secret.*`}},
		{Kinds: []string{"email"}, Patterns: map[string]string{"case": `ZA-\d+`}},
	})
	if err != nil {
		t.Fatal(err)
	}
	body := `{"a":"AZ-123456 top secret, ZA-1","b":"AZ-１２３456","c":"` + strings.Repeat("AZ-123456/", 40) + `"}`
	var out []string
	for _, h := range s.JSON([]byte(body)) {
		out = append(out, fmt.Sprintf("%s %b:%s", h.Kind, h.Rules, body[h.Start:h.End]))
	}
	want := []string{"case 10:AZ-123456", "rest 10:top secret, ZA-1", "case 100:ZA-1", "case 10:AZ-１２３456"}
	if strings.Join(out, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(out, "\n"))
	}
	if hits := s.Text([]byte("bob@x.de")); len(hits) != 1 || hits[0].Rules != 0b101 {
		t.Errorf("%v", hits)
	}
	for _, bad := range []string{"a*", "(", `(?=x)`} {
		if _, err := detect.Compile([]detect.Rule{{Patterns: map[string]string{"x": bad}}}); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	if _, err := detect.Compile([]detect.Rule{{Kinds: []string{"emial"}}}); err == nil {
		t.Error("an unknown kind was accepted")
	}
}
