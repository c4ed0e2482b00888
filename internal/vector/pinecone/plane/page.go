package plane

import (
	"encoding/base64"
	"encoding/json"
	"sort"
	"strings"

	"freehold/internal/vector/pinecone/wire"
)

// token is what a pagination token says.
type token struct {
	SkipPast string `json:"skip_past"`
	Prefix   string `json:"prefix"`
}

func (t token) String() string {
	text, err := json.Marshal(t)
	if err != nil {
		panic("plane: two texts are no JSON: " + err.Error())
	}
	return base64.StdEncoding.EncodeToString(text)
}

func parseToken(text, prefix string) (token, error) {
	var t token
	if text == "" {
		return t, nil
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(raw, &t)
	}
	if err != nil || t.Prefix != prefix {
		return t, invalid("Invalid pagination token")
	}
	return t, nil
}

// Token is the pagination token behind an id.
func Token(behind, prefix string) string { return token{behind, prefix}.String() }

// Paging reads what is asked of a listing: from behind which name, and how many.
func Paging(prefix, text string, limit *uint32) (after string, most int, err error) {
	most = pageLimit
	if limit != nil {
		if most = int(*limit); most < 1 || most > pageLimit {
			return "", 0, invalid("limit: 1 to %d, not %d", pageLimit, most)
		}
	}
	t, err := parseToken(text, prefix)
	return t.SkipPast, most, err
}

// PagingRecords is [Paging] of whole records. Their limit has no upper bound; a page has
// fewer than it asks for where that are too many, and a token.
func PagingRecords(text string, limit *uint32) (after string, most int, err error) {
	most = pageLimit
	if limit != nil {
		if most = int(min(*limit, pageRecords)); most < 1 {
			return "", 0, invalid("limit: from 1 on, not %d", most)
		}
	}
	t, err := parseToken(text, "")
	return t.SkipPast, most, err
}

// PageOf is a page of sorted names; next is empty where it is the last.
func PageOf(names []string, prefix, text string, limit *uint32) (page []string, next string, err error) {
	after, most, err := Paging(prefix, text, limit)
	if err != nil {
		return nil, "", err
	}
	page, next = PageBehind(names, prefix, after, most)
	return page, next, nil
}

// PageBehind is a page of so many sorted names behind one.
func PageBehind(names []string, prefix, after string, most int) (page []string, next string) {
	from := sort.SearchStrings(names, prefix)
	if after != "" {
		from = max(from, sort.Search(len(names), func(i int) bool { return names[i] > after }))
	}
	for i := from; i < len(names) && strings.HasPrefix(names[i], prefix); i++ {
		if len(page) == most {
			return page, Token(page[most-1], prefix)
		}
		page = append(page, names[i])
	}
	return page, ""
}

// Pagination is that of an answer; nil where next is empty.
func Pagination(next string) *wire.Page {
	if next == "" {
		return nil
	}
	return &wire.Page{Next: next}
}
