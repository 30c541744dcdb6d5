//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
)

// Importing a million rows with the real command takes less than 200 MB. The file is
// made of York's register over and over, each time under other references: synthetic,
// and gone when the benchmark ends. It takes several minutes, and 4 GB of disk.
func BenchmarkMillionRows(b *testing.B) {
	const rows, limit = 1_000_000, 200 << 20
	shared := os.Getenv("SITENOTICE_SHARED")
	if shared == "" {
		b.Skip("SITENOTICE_SHARED is not set: there is no register to replicate")
	}
	dir := b.TempDir()
	program, file := filepath.Join(dir, "sitenotice"), filepath.Join(dir, "synthetic.csv")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	replicate(b, filepath.Join(shared, "feeds/york/Planning_Applications.csv"), file, rows)
	for _, what := range []string{"new", "unchanged"} {
		b.Run(what, func(b *testing.B) {
			cmd := exec.Command(program, "feed", "import", "york", file, "--data", dir, "--log-level", "error")
			out, err := cmd.CombinedOutput()
			if err != nil {
				b.Fatalf("%v\n%s", err, out)
			}
			used := cmd.ProcessState.SysUsage().(*syscall.Rusage)
			peak := int64(used.Maxrss)
			if runtime.GOOS != "darwin" {
				peak <<= 10 // kilobytes elsewhere
			}
			b.ReportMetric(float64(peak)/(1<<20), "peak-MB")
			b.ReportMetric(float64((used.Utime.Nano()+used.Stime.Nano())/1000)/rows, "cpu-µs/row")
			b.ReportMetric(rows/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(0, "ns/op")
			if peak > limit {
				b.Errorf("%d MB", peak>>20)
			}
		})
	}
}

// replicate writes a register over and over until it has so many rows.
func replicate(b *testing.B, from, to string, rows int) {
	b.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		b.Fatal(err)
	}
	all, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))).ReadAll()
	if err != nil {
		b.Fatal(err)
	}
	key, reference := slices.Index(all[0], "KEYVAL"), slices.Index(all[0], "REFVAL")
	f, err := os.Create(to)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	buffered := bufio.NewWriterSize(f, 1<<20)
	w := csv.NewWriter(buffered)
	w.Write(all[0])
	for n := range rows {
		row := slices.Clone(all[1+n%(len(all)-1)])
		if round := n / (len(all) - 1); round > 0 {
			row[key], row[reference] = fmt.Sprintf("%s-%d", row[key], round), fmt.Sprintf("%s/S%d", row[reference], round)
		}
		w.Write(row)
	}
	w.Flush()
	if err := buffered.Flush(); err != nil {
		b.Fatal(err)
	}
}
