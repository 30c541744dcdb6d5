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
	Move       *PersonalMove        `json:"move_to_another_address,omitempty"`
	Suppressed *PersonalSuppression `json:"not_written_to,omitempty"`
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
