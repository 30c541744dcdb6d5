package torture

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var breach = flag.Bool("mutants", false, "break each invariant on purpose and see its test fail")

// A mutant is the program with one invariant broken.
type mutant struct {
	invariant int    // of the design
	broken    string // how
	file      string
	edits     [][2]string // what stands there once, and what is put in its place
	pkg, test string      // what must fail
}

var mutants = []mutant{
	{1, "an event is written after its change has been committed", "alerts/store/apply.go", [][2]string{
		{"	err := s.inTx(ctx, func(tx *sql.Tx) error {\n		if err := holdRun(", "	var later func() error\n	err := s.inTx(ctx, func(tx *sql.Tx) error {\n		if err := holdRun("},
		{"return s.writeNews(ctx, tx, events, after) // numbers last", "later = func() error { return s.inTx(ctx, func(tx *sql.Tx) error { return s.writeNews(ctx, tx, events, after) }) }\n		return nil"},
		{"		return fmt.Errorf(\"apply rows of the run: %w\", err)\n	}\n	return nil", "		return fmt.Errorf(\"apply rows of the run: %w\", err)\n	}\n	return later()"},
	}, "./alerts/ingest", "TestAChangeAndItsEventAreOne|TestAKillAnywhereLosesAndRepeatsNothing"},
	{1, "a change of one field is no event", "alerts/store/apply.go", [][2]string{
		{"len(alerts.Diff(prev, &next)) == 0 {", "len(alerts.Diff(prev, &next)) <= 1 {"},
	}, "./alerts/ingest", "TestThereAndBackAgainIsThreeEvents|TestAChangeAndItsEventAreOne"},
	{2, "numbers are taken before the transaction, so that they become visible out of order", "alerts/store/apply.go", [][2]string{
		{"if err := tx.QueryRowContext(ctx, `UPDATE counter SET value = value + $1 WHERE name = 'event' RETURNING value`, live)", "if err := s.write.QueryRowContext(ctx, `UPDATE counter SET value = value + $1 WHERE name = 'event' RETURNING value`, live)"},
	}, "./alerts/ingest", "TestNumbersBecomeVisibleInOrder/postgres"},
	{3, "who signs up while a pass is under way is told by it, too", "alerts/store/subscriptions.go", [][2]string{
		{"`SELECT claimed FROM watermark WHERE name = 'match'`+s.dialect.forUpdate).Scan(&claimed)", "`SELECT position FROM watermark WHERE name = 'match'`+s.dialect.forUpdate).Scan(&claimed)"},
	}, "./alerts/match", "TestLedgerEqualsOracleUnderAnyInterleaving|TestSignUpDuringPassIsToldOnceOrLater"},
	{3, "an event does not ask where the case was before", "alerts/subscription.go", [][2]string{
		{"	for _, d := range []*Details{e.Before, &e.After} {\n		if d == nil {\n			continue\n		}\n		if d.Ward", "	for _, d := range []*Details{&e.After} {\n		if d == nil {\n			continue\n		}\n		if d.Ward"},
	}, "./alerts/match", "TestLateThingsAreMatchedOnceTheyCome|TestCandidatesEqualFullScan"},
	{3, "an event at the end of a version's life is not its", "alerts/store/match.go", [][2]string{
		{"WHERE id > $1 AND to_seq > $2 AND from_seq < $3 ORDER BY id LIMIT $4", "WHERE id > $1 AND to_seq > $2 + 1 AND from_seq < $3 ORDER BY id LIMIT $4"},
		{"AND to_seq > $2 AND from_seq < $3 ORDER BY id`, list(page)", "AND to_seq > $2 + 1 AND from_seq < $3 ORDER BY id`, list(page)"},
	}, "./alerts/match", "TestLedgerEqualsOracleUnderAnyInterleaving|TestSignUpDuringPassIsToldOnceOrLater"},
	{4, "two composers may be busy with one person", "alerts/store/compose.go", [][2]string{
		{"ORDER BY id`+s.dialect.skipLocked, list(subscribers))", "ORDER BY id`, list(subscribers))"},
	}, "./alerts/compose", "TestTwoComposersTellEachPersonOnce/postgres"},
	{4, "what was given up is not owed again", "alerts/store/deliver.go", [][2]string{
		{"`UPDATE match SET delivery_id = NULL WHERE delivery_id = $1`, delivery); err != nil {", "`UPDATE match SET delivery_id = delivery_id WHERE delivery_id = $1`, delivery); err != nil {"},
	}, "./alerts/compose", "TestGivingUpOwesAgainAndWaitsADay"},
	{4, "a mail is stored without its matches", "alerts/store/compose.go", [][2]string{
		{"return setMatches(ctx, tx, `delivery_id = $1`, id, version, seqs)", "return nil"},
	}, "./alerts/compose", "TestAskedForOneTidyMail|TestDigestsComeAtSevenAndNothingIsToldTwice"},
	{5, "a repeated pass skips the first event of its range", "alerts/store/match.go", [][2]string{
		{"		c.No++\n", "		if c.No++; leaseUntil > 0 {\n			c.From++\n		}\n"},
	}, "./alerts/match", "TestKilledPassRepeatsExactlyItsRange|TestLedgerEqualsOracleUnderAnyInterleaving"},
	{5, "a mail counts as sent before it has been", "alerts/deliver/deliver.go", [][2]string{
		{"	o := p.Sender.Send(ctx, c.Delivery)\n", "	_ = p.Store.RecordAttempts(ctx, p.Name, []alerts.Attempt{{Delivery: c.Delivery, At: start.UnixMilli(), Then: alerts.DeliverySent}}, start)\n	o := p.Sender.Send(ctx, c.Delivery)\n"},
	}, "./alerts/deliver", "TestAKillRepeatsAtMostWhatWasInFlight|TestFailuresAreTriedAgainMoreAndMoreRarelyAndThenGivenUp"},
	{5, "a success counts only from the last claim", "alerts/store/deliver.go", [][2]string{
		{"if a.Then == alerts.DeliverySent {\n				sent = append(sent, a.Delivery.ID)", "var no int64\n			if err := tx.QueryRowContext(ctx, `SELECT claim_no FROM delivery WHERE id = $1`, a.Delivery.ID).Scan(&no); err != nil {\n				return err\n			}\n			if a.Then == alerts.DeliverySent && no == a.Delivery.ClaimNo {\n				sent = append(sent, a.Delivery.ID)"},
	}, "./alerts/deliver", "TestASuccessCountsFromAnyClaimAndAFailureOnlyFromTheLast"},
	{6, "only what happened in the last day is matched", "alerts/store/match.go", [][2]string{
		{"WHERE e.seq > $1 AND e.seq <= $2 AND (NOT a.hidden OR e.type = 'removed') ORDER BY e.seq`, from, to)", "WHERE e.seq > $1 AND e.seq <= $2 AND (NOT a.hidden OR e.type = 'removed') AND e.at > (SELECT max(at) FROM event) - 86400000 ORDER BY e.seq`, from, to)"},
	}, "./alerts/match", "TestLateThingsAreMatchedOnceTheyCome|TestLateCommitIsNotSkipped|TestLedgerEqualsOracleUnderAnyInterleaving"},
	{6, "a digest tells of the last day only", "alerts/store/compose.go", [][2]string{
		{"WHERE m.recipient_id IN (SELECT CAST(value AS BIGINT) FROM json_each($1)) AND m.delivery_id IS NULL AND m.closed IS NULL\n		AND m.seq <= (SELECT position", "WHERE m.recipient_id IN (SELECT CAST(value AS BIGINT) FROM json_each($1)) AND m.delivery_id IS NULL AND m.closed IS NULL\n		AND (SELECT w.at FROM event w WHERE w.seq = m.seq) > (SELECT max(at) FROM event) - 86400000\n		AND m.seq <= (SELECT position"},
	}, "./alerts/compose", "TestAnyHistoryTellsEverythingOnce|TestAPauseHoldsMailBackAndResumingCatchesUpInOne|TestAnotherCadenceRepeatsAndLosesNothing"},
	{7, "a first import tells everybody", "alerts/store/apply.go", [][2]string{
		{"Silent: r.Silent, Held: r.Verdict", "Silent: false, Held: r.Verdict"},
	}, "./alerts/ingest", "TestTheFirstImportTellsNobodyAndTheSameFileTwiceIsNoNews"},
	{7, "a held run tells at once", "alerts/store/apply.go", [][2]string{
		{"Held: r.Verdict == alerts.VerdictHeld, Today", "Held: false, Today"},
	}, "./alerts/ingest", "TestAskedForNoFloods"},
	{7, "what comes after a held event overtakes it", "alerts/store/apply.go", [][2]string{
		{"telling.Held = telling.Held || a.held", "telling.Held = telling.Held || false"},
	}, "./alerts/ingest", "TestAskedForNoFloods|TestADiscardedHoldTellsNobodyEver"},
	{8, "an answer without a single application is a good one", "alerts/feed.go", [][2]string{
		{"case good == 0 && !run.Incremental:", "case good < 0 && !run.Incremental:"},
	}, "./alerts/ingest", "TestBrokenAnswersHarmNothing"},
	{8, "a swollen answer is a good one", "alerts/feed.go", [][2]string{
		{"!run.Silent && c.Newsworthy > limit {", "!run.Silent && c.Newsworthy > 1000*limit {"},
	}, "./alerts/ingest", "TestAskedForNoFloods"},
	{8, "a shrunken answer is a complete one", "alerts/feed.go", [][2]string{
		{"*10 < h.Rows*8", "*10 < h.Rows*0"},
	}, "./alerts/ingest", "TestAbsenceIsNotAWithdrawal"},
	{9, "looking at a confirmation confirms", "web/server.go", [][2]string{
		{"get(\"/confirm/{secret}\", s.showConfirm)", "get(\"/confirm/{secret}\", func(w http.ResponseWriter, r *http.Request) error {\n		if standing, err := s.Store.Awaiting(r.Context(), mux.Vars(r)[\"secret\"], s.Now()); err == nil {\n			for _, sub := range standing.Subscriptions {\n				_, _ = s.Store.Confirm(r.Context(), mux.Vars(r)[\"secret\"], []int64{sub.Current.ID}, s.Now())\n			}\n		}\n		return s.showConfirm(w, r)\n	})"},
	}, "./web", "TestGETChangesNothing"},
	{12, "an event without a position does not ask those who watch its authority", "alerts/subscription.go", [][2]string{
		{"	keys := []string{\"authority:\" + e.Authority, \"application:\"", "	keys := []string{\"application:\""},
	}, "./alerts/match", "TestCandidatesEqualFullScan|TestRunTellsThoseInside|TestLateThingsAreMatchedOnceTheyCome"},
	{12, "applications without a position are not counted", "alerts/ingest/intake.go", [][2]string{
		{"		in.counts.Unlocated++\n", "		_ = in.counts.Unlocated\n"},
	}, "./alerts/ingest", "TestAnApplicationWithoutAPositionIsCountedAndTold"},
}

// TestEachInvariantHasATestThatSeesItBroken breaks invariants 1 to 9 and 12, which
// make mutants does in earnest. Otherwise it looks whether every passage that would
// be changed is still there.
func TestEachInvariantHasATestThatSeesItBroken(t *testing.T) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants {
		t.Run(m.broken, func(t *testing.T) {
			path := filepath.Join(root, m.file)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text := string(b)
			for _, e := range m.edits {
				if n := strings.Count(text, e[0]); n != 1 {
					t.Fatalf("%s has the passage %d times, want once: bring this table up to date\n%s", m.file, n, e[0])
				}
				text = strings.Replace(text, e[0], e[1], 1)
			}
			if !*breach {
				return
			}
			dir := t.TempDir()
			overlay, err := json.Marshal(map[string]map[string]string{"Replace": {path: filepath.Join(dir, "broken.go")}})
			if err != nil {
				t.Fatal(err)
			}
			for name, text := range map[string]string{"broken.go": text, "overlay.json": string(overlay)} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command("go", "test", "-short", "-overlay", filepath.Join(dir, "overlay.json"), "-run", m.test, m.pkg)
			cmd.Dir = root
			out, err := cmd.CombinedOutput()
			failed := ""
			for line := range strings.Lines(string(out)) {
				if _, name, ok := strings.Cut(line, "--- FAIL: "); ok && failed == "" {
					failed, _, _ = strings.Cut(name, " ")
				}
			}
			if err == nil || failed == "" {
				t.Fatalf("nobody noticed that %s\n%s", m.broken, out)
			}
			t.Logf("invariant %d: %s notices it", m.invariant, failed)
		})
	}
}
