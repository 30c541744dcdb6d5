//go:build !torture

package main

import "time"

// clock tells the time to everything that is wired together.
func clock() time.Time { return time.Now() }
