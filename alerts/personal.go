package alerts

import (
	"encoding/json"
	"time"
)

// Personal is everything that is kept about one person, for their own copy of it
// and for whoever has to answer for it.
type Personal struct {
	Number     int64                `json:"number"` // by which logs and notices name them
	Kind       string               `json:"kind"`   // subscriber, account, contact
	Address    string               `json:"address"`
	State      string               `json:"state"`
	Language   string               `json:"language"`
	Since      time.Time            `json:"since"`
	Confirmed  *time.Time           `json:"confirmed,omitempty"`
	Ended      *time.Time           `json:"ended,omitempty"`
	Areas      []PersonalArea       `json:"areas"` // as they are now, or were when they ended
	Earlier    []PersonalArea       `json:"areas_before_a_change"`
	Wishes     []string             `json:"districts_to_be_told_of"`
	Remind     int                  `json:"reminded_days_before_a_case_closes"` // 0 for never
	Notes      bool                 `json:"notes_after_quiet_months"`
	Reminders  []PersonalReminder   `json:"cases_for_reminders"`
	Outages    []PersonalOutage     `json:"told_that_a_register_was_not_read"`
	Consents   []PersonalConsent    `json:"consents"`
	Mails      []PersonalMail       `json:"mails"`
	Reports    []PersonalReport     `json:"what_was_reported_of_mails"`
	Links      []PersonalLink       `json:"links_that_work"`
	Muted      []PersonalMute       `json:"muted"`
	Places     []PersonalPlace      `json:"places_said_to_be_wrong"`
	Move       *PersonalMove        `json:"move_to_another_address,omitempty"`
	Suppressed *PersonalSuppression `json:"not_written_to,omitempty"`
	Handled    []PersonalHandling   `json:"what_people_who_run_this_did"`

	// Of somebody who signs in.
	Roles       []PersonalRole     `json:"roles"`
	Acts        []PersonalAct      `json:"done_in_groups"`
	Assigned    []PersonalCase     `json:"cases_assigned"`
	Votes       []PersonalCase     `json:"cases_voted_out_of_sight"`
	Tokens      []PersonalToken    `json:"tokens_for_programs"`
	Endpoints   []PersonalEndpoint `json:"told_when_an_endpoint_fails"`
	Invitations []PersonalInvite   `json:"invitations"`
	Sessions    []PersonalSession  `json:"signed_in"`
}

// PersonalRole is what the person may do, and how others in a group know them.
type PersonalRole struct {
	Of    string    `json:"of"` // a group's name, a feed, or the whole service
	Role  string    `json:"role"`
	Name  string    `json:"name,omitempty"`
	Since time.Time `json:"since"`
}

// PersonalCase is a case in a group.
type PersonalCase struct {
	Group     string    `json:"group"`
	Authority string    `json:"authority"`
	Reference string    `json:"reference"`
	At        time.Time `json:"at"`
}

// PersonalAct is something that the person did about a case: a note, a vote.
type PersonalAct struct {
	PersonalCase
	Name   string `json:"name"` // as they were known then
	Action string `json:"action"`
	Text   string `json:"text,omitempty"`
}

// PersonalToken is a token that the person made; only its beginning is known.
type PersonalToken struct {
	Group string     `json:"group"`
	Name  string     `json:"name"`
	Start string     `json:"begins_with"`
	Made  time.Time  `json:"made"`
	Used  *time.Time `json:"last_used,omitempty"`
	Ended *time.Time `json:"ended,omitempty"`
}

// PersonalEndpoint is an endpoint of a group about which the person is written to.
type PersonalEndpoint struct {
	Group string `json:"group"`
	Name  string `json:"name"`
}

// PersonalInvite is an invitation that waits: to the person, or by them.
type PersonalInvite struct {
	Group  string    `json:"group"`
	Role   string    `json:"role"`
	ByThem bool      `json:"sent_by_you"`
	At     time.Time `json:"at"`
	Until  time.Time `json:"until"`
}

// PersonalSession is one device on which the person is signed in.
type PersonalSession struct {
	Since time.Time `json:"since"`
	Used  time.Time `json:"last_used"` // to about a day
	Until time.Time `json:"until"`
}

// PersonalHandling is something that somebody who runs the service did with what is kept
// about the person: a look at it, for one. Who it was, and why, is in the record of
// the service.
type PersonalHandling struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`
}

// PersonalArea is one area that the person follows or followed.
type PersonalArea struct {
	Subscription int64           `json:"subscription"`
	State        string          `json:"state"`
	Since        time.Time       `json:"since"`
	PausedUntil  *time.Time      `json:"paused_until,omitempty"`
	Area         string          `json:"area"` // circle, polygon, ward, authority
	Label        string          `json:"label"`
	Latitude     float64         `json:"latitude,omitempty"`
	Longitude    float64         `json:"longitude,omitempty"`
	Radius       float64         `json:"radius_metres,omitempty"`
	Ring         float64         `json:"ring_metres,omitempty"`
	Shape        json.RawMessage `json:"shape,omitempty"`     // GeoJSON
	CarveOut     json.RawMessage `json:"carve_out,omitempty"` // GeoJSON
	Code         string          `json:"code,omitempty"`
	Filter       Filter          `json:"filter"`
	Frequency    string          `json:"frequency"`
}

// PersonalReminder is a case of which the person may be reminded.
type PersonalReminder struct {
	Authority string `json:"authority"`
	Reference string `json:"reference"`
	Closes    Date   `json:"closes"`
	Told      Date   `json:"reminded_of,omitempty"`
}

// PersonalOutage is a time in which a register was not read, of which the person was
// told.
type PersonalOutage struct {
	Authority string    `json:"authority"`
	Since     time.Time `json:"since"`
}

// PersonalConsent is one consent given or withdrawn.
type PersonalConsent struct {
	Subscription int64     `json:"subscription"`
	At           time.Time `json:"at"`
	What         string    `json:"what"`
	Wording      string    `json:"version_of_words"`
	Page         string    `json:"page"`
}

// PersonalMail is one mail to the person; its words are kept for 30 days.
type PersonalMail struct {
	Number  int64      `json:"number"`
	Kind    string     `json:"kind"`
	Made    time.Time  `json:"made"`
	Sent    *time.Time `json:"sent,omitempty"`
	State   string     `json:"state"`
	Fate    string     `json:"fate,omitempty"`
	Subject string     `json:"subject,omitempty"`
	Text    string     `json:"text,omitempty"`
	About   []string   `json:"about,omitempty"` // the applications that it told of, "york 26/00268/FUL"
}

// PersonalReport is what others said of a mail to the person.
type PersonalReport struct {
	Mail   int64     `json:"mail"`
	At     time.Time `json:"at"`
	Kind   string    `json:"kind"`
	Status string    `json:"status,omitempty"`
}

// PersonalLink is a link that was sent to the person and works once or for a while;
// the link itself is not kept.
type PersonalLink struct {
	Purpose string    `json:"purpose"`
	Made    time.Time `json:"made"`
	Until   time.Time `json:"until"`
}

// PersonalPlace is an application of which the person said that its place is wrong.
type PersonalPlace struct {
	Authority string    `json:"authority"`
	Reference string    `json:"reference"`
	At        time.Time `json:"at"`
}

// PersonalMute is what the person wants to hear no more of.
type PersonalMute struct {
	What  string    `json:"what"` // case, site, kind
	Key   string    `json:"key"`
	Label string    `json:"label"`
	At    time.Time `json:"at"`
}

// PersonalMove is another address that the person has asked for.
type PersonalMove struct {
	To        string     `json:"to"`
	Asked     time.Time  `json:"asked"`
	OldAgreed *time.Time `json:"old_address_agreed,omitempty"`
	NewAgreed *time.Time `json:"new_address_agreed,omitempty"`
	Done      *time.Time `json:"done,omitempty"`
	Until     time.Time  `json:"until"`
}

// PersonalSuppression says that the address is not written to.
type PersonalSuppression struct {
	Since  time.Time `json:"since"`
	Reason string    `json:"reason"`
}
