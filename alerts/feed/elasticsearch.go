package feed

import (
	"cmp"
	"encoding/json"
	"net/url"
	"path"
	"time"
)

// An elasticsearch is a search index read by scrolling, as the Planning London
// Datahub allows it: the first request opens a snapshot, and the others go on in it
// until one comes back empty. All that the snapshot counts must have come.
type elasticsearch struct {
	a     *Adapter
	seen  int
	total int
}

func newElasticsearch(a *Adapter) protocol { return &elasticsearch{a: a, total: -1} }

const (
	scrollSize = 2_000
	scrollLife = "2m" // between two requests
)

func (e *elasticsearch) first(since time.Time) Request {
	query := map[string]any{"match_all": map[string]any{}}
	if !since.IsZero() {
		query = map[string]any{"range": map[string]any{e.a.Paging.Since[0]: map[string]any{"gte": since.UTC().Format(time.RFC3339)}}}
	}
	return post(asked(e.a.URL, "scroll", scrollLife), map[string]any{
		"size": cmp.Or(e.a.Paging.Size, scrollSize), "track_total_hits": true, "_source": e.a.columnsOf(e.a.Paging.Since...), "query": query, "sort": []string{"_doc"}})
}

func post(address string, body any) Request {
	text, _ := json.Marshal(body) // maps and strings always can be
	return Request{Method: "POST", URL: address, Header: map[string]string{"Content-Type": "application/json"}, Body: text}
}

func (e *elasticsearch) follow(p page) (Request, bool, error) {
	e.seen += p.rows
	if e.total < 0 {
		total := p.aside["hits.total"]
		if m, ok := total.(map[string]any); ok {
			total = m["value"]
		}
		if n, ok := number(total); ok {
			e.total = n
		}
	}
	if shards, ok := p.aside["_shards"].(map[string]any); ok {
		if failed, ok := number(shards["failed"]); ok && failed > 0 {
			return Request{}, true, broken("the source could read only a part of its index")
		}
	}
	if timedOut, _ := p.aside["timed_out"].(bool); timedOut {
		return Request{}, true, broken("the source ran out of time over the search")
	}
	if p.rows == 0 {
		if e.total > e.seen {
			return Request{}, true, short(e.seen, e.total)
		}
		return Request{}, true, nil
	}
	id := text(p.aside["_scroll_id"])
	if id == "" {
		return Request{}, true, broken("the source does not say how to go on (it gives no _scroll_id)")
	}
	// …/INDEX/_search goes on at …/_search/scroll
	u, _ := url.Parse(e.a.URL)
	u.Path = path.Join(path.Dir(path.Dir(u.Path)), "_search", "scroll")
	u.RawQuery = ""
	return post(u.String(), map[string]any{"scroll": scrollLife, "scroll_id": id}), false, nil
}
