package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
)

type versionCommand struct{}

// Run prints the version that the build carries.
func (versionCommand) Run(std streams) error {
	fmt.Fprintf(std.out, "sitenotice %s (%s, %s/%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// version is the tag or the commit that the program was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "development"
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				v += "-" + s.Value[:12]
			}
		}
	}
	return v
}

type migrateCommand struct{}

// Run brings the database up to date and says how many files that took.
func (migrateCommand) Run(ctx context.Context, cfg *Config, std streams) error {
	s, err := cfg.connect(ctx, true)
	if err != nil {
		return err
	}
	defer s.Close()
	applied, err := s.Migrate(ctx)
	if err != nil {
		return err
	}
	switch applied {
	case 0:
		fmt.Fprintln(std.out, "The database is up to date.")
	case 1:
		fmt.Fprintln(std.out, "Brought the database up to date: 1 file applied.")
	default:
		fmt.Fprintf(std.out, "Brought the database up to date: %d files applied.\n", applied)
	}
	return nil
}
