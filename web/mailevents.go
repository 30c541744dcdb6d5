package web

import (
	"errors"
	"io"
	"net/http"

	"github.com/sitenotice/sitenotice/alerts"
)

// mailEventsPath is where SendGrid's Event Webhook reports to.
const mailEventsPath = "/mail/sendgrid/events"

// maxMailEvents is the longest report that is read.
const maxMailEvents = 2 << 20

// mailEvents takes a report of a mail service. It answers 2xx also when none of the
// mails is ours: the service would go on trying for a day.
func (s *Server) mailEvents(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	err = s.MailEvents(r.Context(), r.Header.Get("X-Twilio-Email-Event-Webhook-Signature"), r.Header.Get("X-Twilio-Email-Event-Webhook-Timestamp"), body)
	var invalid *alerts.InvalidError
	switch {
	case errors.Is(err, alerts.ErrBadToken):
		http.Error(w, "The signature is not valid.", http.StatusForbidden)
		return nil
	case errors.As(err, &invalid):
		http.Error(w, invalid.Problem+".", http.StatusBadRequest)
		return nil
	case err != nil:
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
