package web

import (
	"context"
	"sync"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// courses remembers for an hour how councils' applications have gone: thousands are
// looked at to say so.
type courses struct {
	mu sync.Mutex
	of map[string]timedCourse
}

type timedCourse struct {
	alerts.Course
	at time.Time
}

const courseFor = time.Hour

func (s *Server) courseOf(ctx context.Context, slug string) (alerts.Course, error) {
	now := s.Now()
	s.courses.mu.Lock()
	known, ok := s.courses.of[slug]
	s.courses.mu.Unlock()
	if age := now.Sub(known.at); ok && age >= 0 && age < courseFor {
		return known.Course, nil
	}
	c, err := s.Store.Course(ctx, slug, alerts.DateOf(now))
	if err != nil {
		return c, err
	}
	s.courses.mu.Lock()
	defer s.courses.mu.Unlock()
	if s.courses.of == nil {
		s.courses.of = map[string]timedCourse{}
	}
	s.courses.of[slug] = timedCourse{c, now}
	return c, nil
}
