package web

import (
	"context"
	"encoding/csv"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
	"github.com/sitenotice/sitenotice/web/api"
)

// maxPack is how many cases a pack takes; a group whose areas bring more has to make
// them smaller.
const maxPack = 2_000

type meetingsPage struct {
	groupPage
	Coming []alerts.Meeting
	Past   []alerts.Meeting // the latest first
	Form   alerts.Meeting
	Today  alerts.Date
}

func (s *Server) meetings(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "meetings")
	if err != nil {
		return err
	}
	return s.renderMeetings(w, r, http.StatusOK, p, alerts.Meeting{})
}

func (s *Server) renderMeetings(w http.ResponseWriter, r *http.Request, status int, p groupPage, form alerts.Meeting) error {
	all, err := s.Store.Meetings(r.Context(), p.Group.ID)
	if err != nil {
		return err
	}
	page := meetingsPage{groupPage: p, Form: form, Today: alerts.DateOf(s.Now())}
	for _, m := range all {
		if m.Day >= page.Today {
			page.Coming = append(page.Coming, m)
		} else {
			page.Past = append([]alerts.Meeting{m}, page.Past...)
		}
	}
	title := "Meetings: " + p.Group.Name
	if len(p.Problems) > 0 {
		title = "Error: " + title
	}
	return s.render(w, r, status, "groupmeetings.html", title, page)
}

// addMeeting stores a day on which the group meets; several may be given at once,
// one after the other.
func (s *Server) addMeeting(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "meetings")
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	m := alerts.Meeting{GroupID: p.Group.ID, Day: alerts.Date(clip(r.PostForm.Get("day"), 20)), Title: alerts.Line(r.PostForm.Get("title"), 80)}
	day, err := alerts.ParseDate(string(m.Day))
	today := alerts.DateOf(s.Now())
	switch {
	case err != nil || day == "":
		p.Problems = append(p.Problems, &alerts.InvalidError{Field: "day", Problem: "Enter the day of the meeting, like " + string(today.AddDays(14))})
	case day < today.AddDays(-2*366) || day > today.AddDays(3*366):
		p.Problems = append(p.Problems, &alerts.InvalidError{Field: "day", Problem: "Enter a day within the last two years or the next three"})
	}
	if len(p.Problems) == 0 {
		_, err := s.Store.AddMeeting(r.Context(), alerts.Meeting{GroupID: m.GroupID, Day: day, Title: m.Title}, s.Now())
		switch fault, other := asProblem(err); {
		case err == nil:
			return p.back(w, r, "meeting")
		case errors.Is(err, alerts.ErrConflict):
			p.Problems = append(p.Problems, &alerts.InvalidError{Field: "day", Problem: "There is a meeting on that day already"})
		case other != nil:
			return other
		default:
			p.Problems = append(p.Problems, fault)
		}
	}
	return s.renderMeetings(w, r, http.StatusUnprocessableEntity, p, m)
}

func (s *Server) removeMeeting(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "meetings")
	if err != nil {
		return err
	}
	if err := s.Store.RemoveMeeting(r.Context(), p.Group.ID, number(r, "meeting")); err != nil {
		return err
	}
	return p.back(w, r, "unmeeting")
}

type packPage struct {
	groupPage
	alerts.Pack
	Parts []packPart
	Full  bool // there were more cases than a pack takes
	Areas int
}

// A packPart is one ward of a pack, as its page shows it.
type packPart struct {
	Name  string
	ID    int
	Lists []packList
}

// A packList is one list within a ward.
type packList struct {
	Title string
	Hint  string
	Cases []packCase
}

type packCase struct {
	caseItem
	News string // what happened since the last meeting, in words
}

// packOf makes the pack of the meeting in the address.
func (s *Server) packOf(r *http.Request, p groupPage) (page packPage, err error) {
	all, err := s.Store.Meetings(r.Context(), p.Group.ID)
	if err != nil {
		return page, err
	}
	var meeting alerts.Meeting
	for _, m := range all {
		if m.ID == number(r, "meeting") {
			meeting = m
		}
	}
	if meeting.ID == 0 {
		return page, alerts.ErrNotFound
	}
	areas, err := s.Store.GroupAreas(r.Context(), p.Group.ID)
	if err != nil {
		return page, err
	}
	cases, full, err := s.packCases(r.Context(), p.Group.ID, areas, alerts.PackSince(all, meeting))
	if err != nil {
		return page, err
	}
	page = packPage{groupPage: p, Pack: alerts.NewPack(all, meeting, p.Group.Quorum, cases, s.Now()), Full: full, Areas: len(areas)}
	today := alerts.DateOf(s.Now())
	for i, ward := range page.Wards {
		name, err := s.wardName(r.Context(), ward.Ward)
		if err != nil {
			return page, err
		}
		part := packPart{Name: name, ID: i + 1}
		for _, list := range []struct {
			title, hint string
			cases       []alerts.GroupCase
		}{
			{"Comments close before this meeting", "Ask the council for an extension, or hold a special meeting.", ward.TooSoon},
			{"Comments close before the meeting after this one", "This meeting is the last that can decide what to say.", ward.LastDay},
			{"New since the last meeting", "", ward.New},
			{"Decided since the last meeting", "", ward.Decided},
			{"Known longer, with news", "", ward.Running},
		} {
			if len(list.cases) == 0 {
				continue
			}
			l := packList{Title: list.title, Hint: list.hint}
			for _, c := range list.cases {
				l.Cases = append(l.Cases, packCase{p.caseItem(c.Application, c.Triage, today), newsWords(c.News)})
			}
			part.Lists = append(part.Lists, l)
		}
		page.Parts = append(page.Parts, part)
	}
	return page, nil
}

// packCases are the open cases of the areas, and those with news since a day.
func (s *Server) packCases(ctx context.Context, group int64, areas []alerts.GroupArea, since alerts.Date) (cases []alerts.GroupCase, full bool, err error) {
	news, err := s.Store.NewsIn(ctx, areas, since.Time().UnixMilli(), maxPack)
	if err != nil {
		return nil, false, err
	}
	cases = news
	full = len(news) == maxPack
	have := map[int64]bool{}
	ids := make([]int64, 0, len(news))
	for _, c := range news {
		have[c.ID] = true
		ids = append(ids, c.ID)
	}
	for after := (alerts.Cursor{}); ; {
		open, err := s.Store.InAreas(ctx, areas, alerts.Query{Stage: alerts.StageOpen}, after, 200)
		if err != nil {
			return nil, false, err
		}
		for _, a := range open.Applications {
			if !have[a.ID] {
				have[a.ID] = true
				cases = append(cases, alerts.GroupCase{Application: a})
				ids = append(ids, a.ID)
			}
		}
		if after = open.Next; after.ID == 0 {
			break
		}
		if len(cases) >= maxPack {
			full = true
			break
		}
	}
	triages, err := s.Store.Triages(ctx, group, ids)
	for i := range cases {
		cases[i].Triage = triages[cases[i].ID]
	}
	return cases, full, err
}

// wardName is what a ward is called: as the table of postcodes has it, or its
// boundary, or the register.
func (s *Server) wardName(ctx context.Context, ward string) (string, error) {
	if ward == "" {
		return "Ward not known", nil
	}
	if !gss.MatchString(ward) {
		return alerts.Line(ward, 80), nil
	}
	named := []wardFound{{Code: ward}}
	if s.Postcodes != nil {
		named[0].Name = s.Postcodes.WardName(ward)
	}
	named, err := s.nameWards(ctx, named)
	if err != nil {
		return "", err
	}
	return named[0].Name, nil
}

// newsWords says what happened to a case.
func newsWords(news []alerts.EventType) string {
	words := make([]string, len(news))
	for i, t := range news {
		words[i] = alerts.English.EventLabel(t)
	}
	return strings.Join(words, ", ")
}

// pack shows what lies before the group, to read or to print.
func (s *Server) pack(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "meetings")
	if err != nil {
		return err
	}
	page, err := s.packOf(r, p)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "grouppack.html", "Pack for "+page.Meeting.Day.Long()+": "+p.Group.Name, page)
}

// packCSV is the pack for a spreadsheet: one line for each case in each list.
func (s *Server) packCSV(w http.ResponseWriter, r *http.Request, a alerts.Account) error {
	p, err := s.ofThisGroup(r, a, "meetings")
	if err != nil {
		return err
	}
	page, err := s.packOf(r, p)
	if err != nil {
		return err
	}
	sheet(w, "pack-"+string(page.Meeting.Day)+".csv")
	out := csv.NewWriter(w)
	out.Write([]string{"ward", "list", "reference", "address", "description", "kind", "state", "comments", "news", "group", "page"})
	for _, part := range page.Parts {
		for _, list := range part.Lists {
			for _, c := range list.Cases {
				row := []string{part.Name, list.Title, c.Reference, c.Address, c.Description, c.Kind, c.State, c.Comment, c.News, c.Words, s.BaseURL + c.Href}
				for i := range row {
					row[i] = api.Cell(row[i])
				}
				out.Write(row)
			}
		}
	}
	out.Flush()
	return out.Error()
}

// nextMeeting is the one that comes next; its ID is 0 when none is known.
func nextMeeting(all []alerts.Meeting, now time.Time) (next alerts.Meeting) {
	for _, m := range all {
		if m.Day >= alerts.DateOf(now) && (next.ID == 0 || m.Day < next.Day) {
			next = m
		}
	}
	return next
}
