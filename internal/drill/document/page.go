package document

import (
	"bytes"
	"html/template"
	"strings"
)

// Page is a document as sections; it is written as Markdown or as HTML.
type Page struct {
	Title    string
	Lead     []string
	Sections []Section
}

// Section is a heading with what stands below it.
type Section struct {
	Title string
	Text  []string
	List  []string
	Table *Table
}

// Table has rows as long as its head.
type Table struct {
	Head []string
	Rows [][]string
}

// Markdown is the page in GitHub's Markdown.
func (p *Page) Markdown() []byte {
	var b bytes.Buffer
	b.WriteString("# " + plain(p.Title) + "\n")
	for _, t := range p.Lead {
		b.WriteString("\n" + plain(t) + "\n")
	}
	for _, s := range p.Sections {
		b.WriteString("\n## " + plain(s.Title) + "\n")
		for _, t := range s.Text {
			b.WriteString("\n" + plain(t) + "\n")
		}
		if len(s.List) > 0 {
			b.WriteString("\n")
		}
		for _, t := range s.List {
			b.WriteString("- " + plain(t) + "\n")
		}
		if s.Table != nil {
			b.WriteString("\n")
			s.Table.markdown(&b)
		}
	}
	return b.Bytes()
}

func (t *Table) markdown(b *bytes.Buffer) {
	row := func(cells []string) {
		b.WriteString("|")
		for _, c := range cells {
			b.WriteString(" " + strings.ReplaceAll(plain(c), "|", `\|`) + " |")
		}
		b.WriteString("\n")
	}
	row(t.Head)
	b.WriteString(strings.Repeat("|---", len(t.Head)) + "|\n")
	for _, r := range t.Rows {
		row(r)
	}
}

// plain is a text that Markdown shows as it is, on one line.
func plain(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return strings.NewReplacer(`\`, `\\`, "<", "&lt;", "*", `\*`, "`", "\\`", "#", `\#`).Replace(s)
}

// HTML is the page as one file that needs no other.
func (p *Page) HTML() ([]byte, error) {
	var b bytes.Buffer
	if err := page.Execute(&b, p); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid #ccc; }
table { border-collapse: collapse; width: 100%; } th, td { border: 1px solid #bbb; padding: .3rem .5rem; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { background: #f2f2f2; }
@media print { body { margin: 0; max-width: none; } h2 { break-after: avoid; } tr { break-inside: avoid; } }
</style>
</head>
<body>
<h1>{{.Title}}</h1>
{{range .Lead}}<p>{{.}}</p>
{{end}}{{range .Sections}}<h2>{{.Title}}</h2>
{{range .Text}}<p>{{.}}</p>
{{end}}{{if .List}}<ul>
{{range .List}}<li>{{.}}</li>
{{end}}</ul>
{{end}}{{with .Table}}<table>
<thead><tr>{{range .Head}}<th>{{.}}</th>{{end}}</tr></thead>
<tbody>
{{range .Rows}}<tr>{{range .}}<td>{{.}}</td>{{end}}</tr>
{{end}}</tbody>
</table>
{{end}}{{end}}</body>
</html>
`))
