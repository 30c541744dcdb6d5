//go:build torture

package store

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// How the program is tortured: a step is named by its side and the store's method
// that takes it, "before ApplyBatch".
const (
	stepsVariable = "SITENOTICE_TORTURE_STEPS" // a file to which the name of every step taken is added
	killVariable  = "SITENOTICE_TORTURE_KILL"  // NAME#N: die at the N-th time that the step of that name is taken
)

var torture = struct {
	sync.Mutex
	taken map[string]int
}{taken: map[string]int{}}

func step(side string) {
	name := side + " " + stepper()
	torture.Lock()
	defer torture.Unlock()
	torture.taken[name]++
	if file := os.Getenv(stepsVariable); file != "" && torture.taken[name] == 1 {
		f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			panic(err)
		}
		fmt.Fprintln(f, name)
		f.Close()
	}
	victim, n, ok := strings.Cut(os.Getenv(killVariable), "#")
	if nth, err := strconv.Atoi(n); ok && err == nil && victim == name && torture.taken[name] == nth {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

// stepper finds the exported method of the store that called for the step.
func stepper() string {
	pcs := make([]uintptr, 24)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	for {
		frame, more := frames.Next()
		if _, method, ok := strings.Cut(frame.Function, ".(*Store)."); ok {
			method, _, _ = strings.Cut(method, ".") // without the numbers of closures
			method, _, _ = strings.Cut(method, "-")
			if method[0] >= 'A' && method[0] <= 'Z' {
				return method
			}
		}
		if !more {
			return "nobody"
		}
	}
}
