package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/sitenotice/sitenotice/alerts/store"
)

type backupCommand struct {
	To string `arg:"" help:"Folder to make, with a copy of the database and of the keys."`
}

// Run copies the database while it is in use, checks the copy, and puts the keys
// beside it.
func (c *backupCommand) Run(ctx context.Context, cfg *Config, std streams) (err error) {
	if cfg.postgres() {
		return errors.New("PostgreSQL is backed up with its own tool, while the service runs:\n" +
			"  pg_dump --format=custom --file=sitenotice.dump \"$SITENOTICE_DB\"\n" +
			"and restored into an empty database with pg_restore --dbname=… sitenotice.dump. Keep SITENOTICE_KEYS with it")
	}
	if _, err := os.Stat(c.To); err == nil {
		return fmt.Errorf("%s is there already: name a folder that is not, so that no other backup is overwritten", c.To)
	}
	s, err := cfg.connect(ctx, false)
	if err != nil {
		return err
	}
	defer s.Close()
	partial := c.To + ".partial"
	if err := os.RemoveAll(partial); err != nil { // of one that was broken off
		return fmt.Errorf("make the backup: %w", err)
	}
	if err := os.MkdirAll(partial, 0o700); err != nil {
		return fmt.Errorf("make the folder of the backup: %w", err)
	}
	defer func() {
		if err != nil {
			os.RemoveAll(partial)
		}
	}()
	copied := filepath.Join(partial, "sitenotice.db")
	if err := s.CopyTo(ctx, copied); err != nil {
		return err
	}
	if err := store.CheckCopy(ctx, copied); err != nil {
		return fmt.Errorf("the copy is not whole, so it is not kept: %w", err)
	}
	files := "the database"
	if cfg.Keys == "" {
		switch err := copyFile(filepath.Join(cfg.Data, "keys.txt"), filepath.Join(partial, "keys.txt")); {
		case err == nil:
			files = "the database and the keys"
		case !os.IsNotExist(err):
			return fmt.Errorf("copy the keys: %w", err)
		}
	}
	if err := os.Rename(partial, c.To); err != nil {
		return fmt.Errorf("finish the backup: %w", err)
	}
	info, err := os.Stat(filepath.Join(c.To, "sitenotice.db"))
	if err != nil {
		return err
	}
	fmt.Fprintf(std.out, "%s: %s, %.1f MB, checked. To restore, stop the service, put the files into an empty data folder and start it.\n", c.To, files, float64(info.Size())/1e6)
	if cfg.Keys != "" {
		fmt.Fprintln(std.out, "The keys are in SITENOTICE_KEYS: keep them with it. Without them the links in every mail that was sent stop working.")
	}
	return nil
}

// copyFile copies a small file to where there is none, readable by its owner only.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return firstError(err, out.Sync(), out.Close())
}
