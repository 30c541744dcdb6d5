// Package alerts holds what the service talks about (applications and the
// records they are merged from, events, subscriptions, deliveries) and the
// rules by which it decides: what changed, who wants it, when it is due.
//
// Every rule is a pure function of its arguments. The package has no SQL, no
// HTTP and no clock of its own; the stages (ingest, match, compose, deliver)
// and the pages call it and are handed the time.
package alerts
