package main

import (
	"fmt"
	"io"
	"os"
)

// progress shows how far long work has come, on terminals only.
type progress struct {
	w     io.Writer
	label string
	on    bool
	last  int64
}

func newProgress(w io.Writer, label string) *progress {
	f, ok := w.(*os.File)
	if ok {
		info, err := f.Stat()
		ok = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return &progress{w: w, label: label, on: ok, last: -1}
}

func (p *progress) show(done, total int64) {
	if !p.on || total <= 0 {
		return
	}
	if percent := done * 100 / total; percent != p.last {
		p.last = percent
		fmt.Fprintf(p.w, "\r%s: %d %%", p.label, percent)
	}
}

func (p *progress) end() {
	if p.on && p.last >= 0 {
		fmt.Fprint(p.w, "\r\033[K")
	}
}

// A meter passes a file through and shows how much of it has been read.
type meter struct {
	io.Reader
	progress *progress
	done     int64
	total    int64
}

func newMeter(r io.Reader, p *progress) *meter {
	m := &meter{Reader: r, progress: p}
	if f, ok := r.(*os.File); ok {
		if info, err := f.Stat(); err == nil {
			m.total = info.Size()
		}
	}
	return m
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	m.done += int64(n)
	m.progress.show(m.done, m.total)
	return n, err
}
