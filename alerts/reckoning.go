package alerts

// A Reckoning counts whom events would reach if they were told now.
type Reckoning struct {
	Reach
	Today Date
	Most  int // applications whose readers are counted; 0 for all
	// Candidates brings the versions in force that may want an event with these keys.
	Candidates func(keys []string, from, to int64, yield func(*Version) error) error

	people       map[int64]bool
	applications map[Ref]bool
}

// Add counts events that would be told.
func (r *Reckoning) Add(events []Event) error {
	if r.people == nil {
		r.people, r.applications = map[int64]bool{}, map[Ref]bool{}
	}
	longAgo := r.Today.AddDays(-OldDays)
	for i := range events {
		e := &events[i]
		if e.State != EventLive {
			continue
		}
		if ref := (Ref{Authority: e.Authority, Number: ReferenceKey(e.After.Reference)}); !r.applications[ref] {
			if r.Most > 0 && len(r.applications) == r.Most {
				r.More = true
				return nil
			}
			r.applications[ref] = true
			r.Applications++
			if e.After.Received != "" && e.After.Received < longAgo {
				r.Old++
			}
		}
		if err := r.reach(e); err != nil {
			return err
		}
		r.People = len(r.people)
	}
	return nil
}

// reach adds all who would be told of an event if it happened now.
func (r *Reckoning) reach(e *Event) error {
	e.Seq = Forever // after everything, so that the versions in force now answer
	candidate, err := NewCandidate(e)
	if err != nil {
		return err
	}
	keys, err := EventKeys(e)
	if err != nil {
		return err
	}
	return r.Candidates(keys, e.Seq-1, e.Seq, func(v *Version) error {
		ground, err := NewGround(&v.Area)
		if err != nil {
			return err
		}
		if Wants(v, ground, candidate).Interest == Wanted {
			r.people[v.RecipientID] = true
		}
		return nil
	})
}
