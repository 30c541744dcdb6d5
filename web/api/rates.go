package api

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// How many requests a minute the interface answers: of one client address that shows
// no token, and with one token. Each process counts for itself, in memory: a limit
// that a restart forgets is enough for what costs little, and no write to the
// database is made for a read.
const (
	PublicPerMinute = 60
	TokenPerMinute  = 600
)

// maxCounted is how many callers are told apart within a minute; the others share.
const maxCounted = 100_000

// rates counts requests by the minute. Its zero value is ready.
type rates struct {
	mu     sync.Mutex
	minute int64
	counts map[string]int
}

func (c *rates) turn(now time.Time) {
	if minute := now.Unix() / 60; minute != c.minute || c.counts == nil {
		c.minute, c.counts = minute, map[string]int{}
	}
}

func (c *rates) slot(key string) string {
	if _, counted := c.counts[key]; !counted && len(c.counts) >= maxCounted {
		return "others"
	}
	return key
}

// used is how many requests of a caller were counted in this minute.
func (c *rates) used(key string, now time.Time) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn(now)
	return c.counts[c.slot(key)]
}

// take counts one more, unless there were as many as there may be; left is how many
// there may still be.
func (c *rates) take(key string, most int, now time.Time) (left int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn(now)
	key = c.slot(key)
	if c.counts[key] >= most {
		return 0, false
	}
	c.counts[key]++
	return most - c.counts[key], true
}

// A limitError says that a caller has asked too often.
type limitError struct{ seconds, most int }

func (e *limitError) Error() string {
	return fmt.Sprintf("That was more than %d requests in a minute. Try again in %d seconds.", e.most, e.seconds)
}

// count counts a request, and tells the caller how many are left (draft-ietf-httpapi-ratelimit-headers).
func (a *API) count(w http.ResponseWriter, key string, most int) error {
	now := a.Now()
	left, ok := a.rates.take(key, most, now)
	seconds := 60 - int(now.Unix()%60)
	w.Header().Set("RateLimit-Policy", fmt.Sprintf(`"minute";q=%d;w=60`, most))
	w.Header().Set("RateLimit", fmt.Sprintf(`"minute";r=%d;t=%d`, left, seconds))
	if !ok {
		w.Header().Set("Retry-After", fmt.Sprint(seconds))
		return &limitError{seconds, most}
	}
	return nil
}
