package alerts

import "errors"

// ErrNotFound says that what was asked for does not exist, or no longer.
var ErrNotFound = errors.New("not found")

// ErrConflict says that somebody else changed the thing meanwhile, or that it
// exists already. Reading it again and repeating the request is safe.
var ErrConflict = errors.New("changed meanwhile")

// InvalidError is a fault in what a person typed. Its text is written for that
// person and is safe to show beside the field.
type InvalidError struct {
	Field   string // the form field or API member, for example "postcode"
	Problem string // a sentence, for example "Enter a full postcode, like N1C 4AG"
	said    Sentence
}

// Invalid is a fault in a field: an English format and what fills it in.
func Invalid(field, format string, args ...any) *InvalidError {
	said := Sentencef(format, args...)
	return &InvalidError{field, said.String(), said}
}

// At returns the fault of another field.
func (e *InvalidError) At(field string) *InvalidError {
	out := *e
	out.Field = field
	return &out
}

// Said returns the fault with its text in a language.
func (e *InvalidError) Said(l Language) *InvalidError {
	out := *e
	out.Problem = e.In(l)
	return &out
}

// In says the fault in a language.
func (e *InvalidError) In(l Language) string {
	if e.said.IsZero() {
		return l.Word(e.Problem)
	}
	return e.said.In(l)
}

func (e *InvalidError) Error() string { return e.Problem }

// ErrExpired says that a link was good once but no longer is.
var ErrExpired = errors.New("this link has expired")

// ErrBusy says that everybody together has asked for more than the service allows.
var ErrBusy = errors.New("too many requests from everybody")

// ErrTooMany says that somebody asked too often and may ask again later.
var ErrTooMany = errors.New("too many requests; please try again in an hour")
