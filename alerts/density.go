package alerts

import "math"

// A Within is how many applications there were within a distance in some days.
type Within struct {
	Radius float64 // metres
	Count  int
}

// RateWords says how often something happens that happened n times in some days:
// "about 2 a week".
func (l Language) RateWords(n, days int) string {
	week, month := perWeek(n, days), float64(n)*30/float64(days)
	switch {
	case n == 0:
		return l.Say("none in %d days", days)
	case week >= 0.75:
		return l.Say("about %s a week", Thousands(int(math.Round(week))))
	case month >= 0.75:
		return l.Say("about %s a month", Thousands(int(math.Round(month))))
	}
	return l.Say("fewer than one a month")
}

// MailRateWords says how often mail would have come that came n times in some
// days: "about 1 mail a week".
func (l Language) MailRateWords(n, days int) string {
	week, month := perWeek(n, days), float64(n)*30/float64(days)
	switch {
	case n == 0:
		return l.Say("no mail in %d days", days)
	case week >= 0.75:
		return l.Say("about %s a week", l.Plural(int(math.Round(week)), "mail", "mails"))
	case month >= 0.75:
		return l.Say("about %s a month", l.Plural(int(math.Round(month)), "mail", "mails"))
	}
	return l.Say("fewer than one mail a month")
}

func perWeek(n, days int) float64 { return float64(n) * 7 / float64(days) }

// BusyWeek is how many new applications a week are as many as most people want to
// read about.
const BusyWeek = 4

// SuggestRadius returns the distance to propose: of the bands, from near to far, the
// one that brings most without bringing more than [BusyWeek] new applications a
// week, and of several that bring as many the nearest; or the nearest of all where
// even that brings more. Where nothing happens at all there is nothing to go by, and
// it returns 0.
func SuggestRadius(bands []Within, days int) float64 {
	if len(bands) == 0 || bands[len(bands)-1].Count == 0 {
		return 0
	}
	best := bands[0]
	for _, b := range bands {
		if perWeek(b.Count, days) <= BusyWeek && b.Count > best.Count {
			best = b
		}
	}
	return best.Radius
}
