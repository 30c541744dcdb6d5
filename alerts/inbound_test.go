package alerts

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func testRing(t *testing.T) Keys {
	t.Helper()
	keys, err := ParseKeys(NewKeys())
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestAnInboundAddressTellsWhatItIsAbout(t *testing.T) {
	keys := testRing(t)
	for _, configured := range []string{"bounces@example.org", "*@bounces.example.org", "b-*-x@example.org"} {
		in, err := ParseInbound(configured, keys)
		if err != nil {
			t.Fatal(err)
		}
		for _, delivery := range []int64{1, 7, 1<<62 + 12345} {
			address := in.ReturnPath(delivery)
			if local, _, _ := strings.Cut(address, "@"); len(local) > 64 {
				t.Errorf("%s is too long", address)
			}
			for _, as := range []string{address, strings.ToUpper(address), " " + address} {
				if got, err := in.Read(as); err != nil || got.Delivery != delivery || got.Recipient != 0 {
					t.Errorf("%s says %+v, %v; want delivery %d", as, got, err, delivery)
				}
			}
		}
		address := in.Unsubscribe(1<<62, []Cadence{Weekly, Immediate})
		if got, err := in.Read(address); err != nil || got.Recipient != 1<<62 || !slices.Equal(got.Cadences, []Cadence{Immediate, Weekly}) || got.Delivery != 0 {
			t.Errorf("%s says %+v, %v", address, got, err)
		}
	}
}

func TestAnInboundAddressCannotBeMadeUp(t *testing.T) {
	in, err := ParseInbound("bounces@example.org", testRing(t))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := ParseInbound("bounces@example.org", testRing(t))
	if err != nil {
		t.Fatal(err)
	}
	good := in.ReturnPath(7)
	unsubscribe := in.Unsubscribe(7, []Cadence{Daily})
	for _, bad := range []string{"", "bounces@example.org", "bounces+@example.org", "bounces+b-@example.org", "bounces+b-7@example.org", "bounces+b-7-@example.org",
		strings.Replace(good, "b-7-", "b-8-", 1), strings.Replace(good, "b-7-", "b-07-", 1), strings.Replace(good, "b-7-", "b-+7-", 1), strings.Replace(good, "@example.org", "@example.com", 1),
		strings.Replace(good, "+b-", "+u-", 1), strings.Replace(unsubscribe, "-d-", "-dw-", 1), strings.Replace(unsubscribe, "+u-", "+b-", 1), good[:20] + good[21:],
		elsewhere.ReturnPath(7), elsewhere.Unsubscribe(7, []Cadence{Daily})} {
		if got, err := in.Read(bad); !errors.Is(err, ErrBadToken) {
			t.Errorf("%q is taken for %+v, %v", bad, got, err)
		}
	}
	if _, err := (Inbound{}).Read(good); !errors.Is(err, ErrBadToken) {
		t.Errorf("where there is no inbound address: %v", err)
	}
}

func TestAnOldKeyStillReadsItsAddresses(t *testing.T) {
	old, fresh := NewKeys(), strings.Replace(NewKeys(), "k1:", "k2:", 1)
	before, err := ParseKeys(old)
	if err != nil {
		t.Fatal(err)
	}
	after, err := ParseKeys(fresh + "," + old)
	if err != nil {
		t.Fatal(err)
	}
	sent, _ := ParseInbound("bounces@example.org", before)
	reads, _ := ParseInbound("bounces@example.org", after)
	if got, err := reads.Read(sent.ReturnPath(7)); err != nil || got.Delivery != 7 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestInboundAddressesThatCannotWork(t *testing.T) {
	for _, bad := range []string{"bounces", "@example.org", "bounces@", "a b@example.org", "*+*@example.org", "a-name-that-is-too-long-for-it@example.org", "Bounces <bounces@example.org>"} {
		if _, err := ParseInbound(bad, testRing(t)); err == nil || !strings.Contains(err.Error(), "like bounces@example.org") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if in, err := ParseInbound("", testRing(t)); err != nil || !in.IsZero() {
		t.Errorf("none: %v, %v", in, err)
	}
}
