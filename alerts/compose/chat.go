package compose

import (
	"fmt"
	"html"
	"strings"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file writes messages for chat rooms. What comes from a feed is text and stays
// text in each room's syntax: no link, no mention, no formatting of its own.

// A chatMessage is what a room is told, before it is put into a room's syntax.
type chatMessage struct {
	heading string
	title   string // reference and address
	text    string
	facts   []chatFact
	links   []chatLink
	note    string
}

type chatFact struct{ label, value string }

type chatLink struct{ label, url string }

// The most characters of a description in a chat room.
const chatText = 700

// chatNews tells a room of an event.
func (s *Stage) chatNews(n alerts.HookNews, authority string) ([]byte, error) {
	e := n.Event
	d := &e.After
	m := chatMessage{heading: alerts.English.EventLabel(e.Type), title: alerts.Line(d.Reference, alerts.MaxReference)}
	if authority = alerts.Line(authority, 120); authority == "" {
		authority = e.Authority
	}
	if n.Bare || e.Type == alerts.EventRemoved {
		m.facts = []chatFact{{"Council", authority}}
		return s.inSyntax(n.Endpoint.Format, m)
	}
	m.title = strings.TrimPrefix(alerts.Line(d.Address, 200)+" · "+m.title, " · ")
	m.text = alerts.Line(d.Description, chatText)
	m.facts = append(m.facts, chatFact{"Council", authority})
	if d.Kind != "" {
		m.facts = append(m.facts, chatFact{"Type", alerts.English.KindLabel(d.Kind)})
	}
	m.facts = append(m.facts, chatFact{"State", alerts.English.StateWords(d)})
	if d.IsOpen() {
		m.facts = append(m.facts, chatFact{"Comments", alerts.English.DeadlineWords(d, alerts.DateOf(s.Now()))})
	}
	if d.Committee != "" && d.IsOpen() {
		m.facts = append(m.facts, chatFact{"Committee", d.Committee.Long()})
	}
	if len(d.Reference) <= alerts.MaxReference {
		m.links = append(m.links, chatLink{"See the application", s.BaseURL + alerts.ApplicationPath(alerts.Ref{Authority: e.Authority, Number: d.Reference})})
	}
	if u := alerts.WebLink(d.CommentURL); u != "" && d.IsOpen() {
		m.links = append(m.links, chatLink{"Comment on the council’s site (" + alerts.Line(alerts.LinkHost(u), 80) + ")", u})
	} else if u := alerts.WebLink(d.URL); u != "" {
		m.links = append(m.links, chatLink{"The council’s page (" + alerts.Line(alerts.LinkHost(u), 80) + ")", u})
	}
	switch {
	case n.Test:
		m.note = "This is a test with something that happened before."
	case !n.InArea:
		m.note = "It turns out to be outside your area."
	case e.Late:
		m.note = "The council published this late; it is still to be decided."
	}
	return s.inSyntax(n.Endpoint.Format, m)
}

// chatPing shows a room the code by which its owner proves that it wants to be
// written to.
func (s *Stage) chatPing(e alerts.Endpoint) ([]byte, error) {
	m := chatMessage{
		heading: "Sitenotice test message",
		title:   "Planning alerts can be sent to this room.",
		text:    "If you asked for them, enter this code where you set them up. If you did not, do nothing: no alerts will come.",
		facts:   []chatFact{{"Code", e.Challenge}},
		links:   []chatLink{{"What is Sitenotice?", s.BaseURL + "/"}},
	}
	if e.VerifiedAt > 0 {
		m.title, m.text = "This room receives planning alerts.", "This message shows that they arrive."
	}
	return s.inSyntax(e.Format, m)
}

// inSyntax writes a message as a room's service takes it.
func (s *Stage) inSyntax(f alerts.HookFormat, m chatMessage) ([]byte, error) {
	switch f {
	case alerts.FormatSlack:
		return encode(slack(m))
	case alerts.FormatDiscord:
		return encode(discord(m))
	case alerts.FormatTeams:
		return encode(teams(m))
	case alerts.FormatMatrix:
		return encode(matrix(m))
	}
	return nil, fmt.Errorf("there is no message format %q", f)
}

// plain writes a message as text, for notifications and readers without formatting.
func (m chatMessage) plain() string {
	lines := []string{m.heading, m.title, m.text}
	for _, f := range m.facts {
		lines = append(lines, f.label+": "+f.value)
	}
	lines = append(lines, m.note)
	for _, l := range m.links {
		lines = append(lines, l.label+": "+l.url)
	}
	var kept []string
	for _, l := range lines {
		if l != "" {
			kept = append(kept, l)
		}
	}
	return strings.Join(kept, "\n")
}

type object = map[string]any

// slackEscape is all that Slack wants escaped; with it <!channel> is text too.
var slackEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// slack writes blocks. What comes from feeds is in plain_text, which Slack does not
// format; links are in a block of their own.
func slack(m chatMessage) any {
	text := func(s string) object {
		return object{"type": "plain_text", "emoji": false, "text": slackEscape.Replace(s)}
	}
	var blocks []object
	blocks = append(blocks, object{"type": "header", "text": text(alerts.Line(m.heading, 100))}, object{"type": "section", "text": text(m.title)})
	if m.text != "" {
		blocks = append(blocks, object{"type": "section", "text": text(m.text)})
	}
	var fields []object
	for _, f := range m.facts {
		fields = append(fields, text(f.label+": "+f.value))
	}
	blocks = append(blocks, object{"type": "section", "fields": fields})
	if m.note != "" {
		blocks = append(blocks, object{"type": "context", "elements": []object{text(m.note)}})
	}
	var links []string
	for _, l := range m.links {
		links = append(links, "<"+strings.ReplaceAll(slackEscape.Replace(l.url), "|", "%7C")+"|"+strings.ReplaceAll(slackEscape.Replace(l.label), "|", "/")+">")
	}
	if len(links) > 0 {
		blocks = append(blocks, object{"type": "section", "text": object{"type": "mrkdwn", "verbatim": true, "text": strings.Join(links, "\n")}})
	}
	return object{"text": slackEscape.Replace(m.heading + ": " + m.title), "mrkdwn": false, "unfurl_links": false, "unfurl_media": false, "blocks": blocks}
}

// discordEscape makes of Discord's Markdown what it looks like.
var discordEscape = func() *strings.Replacer {
	var pairs []string
	for _, r := range "\\*_~`|>#-+[]()<@:!&." {
		pairs = append(pairs, string(r), "\\"+string(r))
	}
	return strings.NewReplacer(pairs...)
}()

// discord writes an embed, and lets nothing in it call anybody.
func discord(m chatMessage) any {
	embed := object{"title": discordEscape.Replace(alerts.Line(m.title, 120)), "description": discordEscape.Replace(m.text)}
	if len(m.links) > 0 {
		embed["url"] = m.links[0].url
	}
	var fields []object
	for _, f := range m.facts {
		fields = append(fields, object{"name": f.label, "value": discordEscape.Replace(f.value), "inline": true})
	}
	for _, l := range m.links {
		fields = append(fields, object{"name": discordEscape.Replace(l.label), "value": "<" + strings.NewReplacer("<", "%3C", ">", "%3E").Replace(l.url) + ">", "inline": false})
	}
	embed["fields"] = fields
	if m.note != "" {
		embed["footer"] = object{"text": m.note}
	}
	return object{"content": m.heading, "embeds": []object{embed}, "allowed_mentions": object{"parse": []string{}}}
}

// teams writes an adaptive card. What comes from feeds is in text runs, which are
// not Markdown.
func teams(m chatMessage) any {
	run := func(s, size, weight string) object {
		return object{"type": "RichTextBlock", "inlines": []object{{"type": "TextRun", "text": s, "size": size, "weight": weight}}}
	}
	body := []object{run(m.heading, "large", "bolder"), run(m.title, "default", "bolder")}
	if m.text != "" {
		body = append(body, run(m.text, "default", "default"))
	}
	for _, f := range m.facts {
		body = append(body, run(f.label+": "+f.value, "default", "default"))
	}
	if m.note != "" {
		body = append(body, run(m.note, "small", "default"))
	}
	var actions []object
	for _, l := range m.links {
		actions = append(actions, object{"type": "Action.OpenUrl", "title": l.label, "url": l.url})
	}
	card := object{"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": body, "actions": actions,
		"fallbackText": m.heading}
	return object{"type": "message", "attachments": []object{{"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": nil, "content": card}}}
}

// matrix writes what the generic webhooks of matrix-hookshot take: HTML, and the
// same as text.
func matrix(m chatMessage) any {
	// A zero-width space keeps "@room" from calling the whole room; in an address, %40 does.
	for i := range m.links {
		m.links[i].url = strings.ReplaceAll(m.links[i].url, "@", "%40")
	}
	calm := func(s string) string { return strings.ReplaceAll(s, "@", "@\u200b") }
	safe := func(s string) string { return html.EscapeString(calm(s)) }
	var b strings.Builder
	fmt.Fprintf(&b, "<p><strong>%s</strong></p><p><strong>%s</strong></p>", safe(m.heading), safe(m.title))
	if m.text != "" {
		fmt.Fprintf(&b, "<p>%s</p>", safe(m.text))
	}
	b.WriteString("<ul>")
	for _, f := range m.facts {
		fmt.Fprintf(&b, "<li>%s: %s</li>", safe(f.label), safe(f.value))
	}
	b.WriteString("</ul>")
	if m.note != "" {
		fmt.Fprintf(&b, "<p>%s</p>", safe(m.note))
	}
	for _, l := range m.links {
		fmt.Fprintf(&b, `<p><a href="%s">%s</a></p>`, html.EscapeString(l.url), safe(l.label))
	}
	return object{"text": calm(m.plain()), "html": b.String(), "username": "Sitenotice"}
}
