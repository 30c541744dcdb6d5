//go:build torture

package main

import (
	"net/netip"
	"os"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// This file is what is different in a program built to be tortured by the tests in
// the folder torture. No other program contains it.

// ahead is how far the clock runs ahead.
var ahead = func() time.Duration {
	d, _ := time.ParseDuration(os.Getenv("SITENOTICE_TORTURE_AHEAD"))
	return d
}()

func clock() time.Time { return time.Now().Add(ahead) }

// relaxed lets endpoints be on this machine, without TLS.
func relaxed(p alerts.URLPolicy) alerts.URLPolicy {
	p.PlainHTTP = true
	p.Guard.Permit = func(at netip.AddrPort) bool { return at.Addr().IsLoopback() }
	return p
}
