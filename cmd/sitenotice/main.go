// Command sitenotice tells people about planning applications near them, in time
// to have a say. Run "sitenotice demo" to see it work, "sitenotice help" for the
// rest.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // days begin in London also on machines without a zone database

	"github.com/alecthomas/kong"

	"github.com/sitenotice/sitenotice/alerts/store"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// streams are the standard streams, which tests replace.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// commands is the whole command line. Every flag can also be given as a
// SITENOTICE_* variable of the same name.
type commands struct {
	Config

	Demo          demoCommand          `cmd:"" help:"Show everything with sample data: no network, no set-up, mail kept at /dev/mail."`
	Serve         serveCommand         `cmd:"" help:"Run the pages, the schedule and the stages."`
	Pass          passCommand          `cmd:"" help:"Make one pass of a stage and stop."`
	Feed          feedCommand          `cmd:"" help:"Councils' feeds: list, add, check, import, run, release, discard, export."`
	Postcodes     postcodesCommand     `cmd:"" help:"The postcode table: import, lookup."`
	Boundaries    boundariesCommand    `cmd:"" help:"Where authorities, wards and properties are: import, list."`
	Operators     operatorsCommand     `cmd:"" help:"Who may see the operator's pages: add, list, remove."`
	Subscriptions subscriptionsCommand `cmd:"" help:"People and what they follow: list, export, erase, allow."`
	Applications  applicationsCommand  `cmd:"" help:"Single applications: redact, restore."`
	Mail_         mailCommand          `cmd:"" name:"mail" help:"Mail that comes back: receive."`
	Explain       explainCommand       `cmd:"" help:"Say why a subscription was, or was not, told of an application."`
	Endpoints     endpointsCommand     `cmd:"" help:"Webhooks: list, add, ping, confirm, log, recover, test, rotate, pause, resume, remove."`
	Audit         auditCommand         `cmd:"" help:"Ask the matching question again by brute force and compare."`
	Migrate       migrateCommand       `cmd:"" help:"Bring the database up to date."`
	Backup        backupCommand        `cmd:"" help:"Copy a SQLite database and its keys while the service runs."`
	Version       versionCommand       `cmd:"" help:"Print the version."`
}

// exit statuses, as documented in the README.
const (
	exitDone = iota
	exitFailed
	exitUsage
)

// errUsage marks an error in how the command was called.
var errUsage = errors.New("usage")

// run is the program: it parses args, does what they say and returns the exit
// status. Errors are printed for a person, with what to do next.
func run(ctx context.Context, args []string, std streams) int {
	var c commands
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("sitenotice"),
		kong.Description("Planning applications near you, in time to have a say."),
		kong.DefaultEnvars("SITENOTICE"),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Writers(std.out, std.err),
		kong.Exit(func(code int) { exited = code }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std),
	)
	if err != nil {
		fmt.Fprintln(std.err, "sitenotice:", err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 { // --help
		return exited
	}
	if err != nil {
		fmt.Fprintf(std.err, "sitenotice: %v\nRun \"sitenotice --help\" for the commands and flags.\n", err)
		return exitUsage
	}
	if c.Data == "" && parsed.Command() != "demo" {
		c.Data = defaultData
	}
	err = parsed.Run(&c.Config)
	switch {
	case err == nil, errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return exitDone
	case errors.Is(err, errUsage):
		fmt.Fprintln(std.err, "sitenotice:", strings.TrimPrefix(err.Error(), "usage: "))
		return exitUsage
	}
	code := exitFailed
	if status := (*statusError)(nil); errors.As(err, &status) {
		code = status.code
	}
	fmt.Fprintln(std.err, "sitenotice:", err)
	if hint := store.Hint(err); hint != "" {
		fmt.Fprintln(std.err, hint)
	}
	return code
}

// A statusError makes a command exit with a status that whoever calls it
// understands.
type statusError struct {
	error
	code int
}

func (e *statusError) Unwrap() error { return e.error }

// usage returns an error that makes the command exit with status 2.
func usage(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errUsage, fmt.Sprintf(format, args...))
}
