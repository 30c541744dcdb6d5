//go:build torture

package main

import (
	"os"
	"time"
)

// ahead is how far the clock of a program built to be tortured runs ahead.
var ahead = func() time.Duration {
	d, _ := time.ParseDuration(os.Getenv("SITENOTICE_TORTURE_AHEAD"))
	return d
}()

func clock() time.Time { return time.Now().Add(ahead) }
