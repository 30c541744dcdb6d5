package alerts_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sitenotice/sitenotice/alerts"
)

func keyRing(t testing.TB, ids ...string) alerts.Keys {
	t.Helper()
	var entries []string
	for _, id := range ids {
		secret := strings.Repeat(id, 32)[:32]
		entries = append(entries, id+":"+base64.RawURLEncoding.EncodeToString([]byte(secret)))
	}
	keys, err := alerts.ParseKeys(strings.Join(entries, ","))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestTokenIsBoundToItsPurpose(t *testing.T) {
	keys := keyRing(t, "k1")
	token := keys.Sign("unsubscribe", "42:daily")
	if got, err := keys.Verify("unsubscribe", token); err != nil || got != "42:daily" {
		t.Errorf("Verify = %q, %v; want the subject", got, err)
	}
	if _, err := keys.Verify("manage", token); !errors.Is(err, alerts.ErrBadToken) {
		t.Errorf("a token for unsubscribing was accepted for managing: %v", err)
	}
}

func TestTokensOfOldKeysStayValid(t *testing.T) {
	old := keyRing(t, "a").Sign("unsubscribe", "7:weekly")
	if _, err := keyRing(t, "b", "a").Verify("unsubscribe", old); err != nil {
		t.Errorf("after a rotation: %v", err)
	}
	if _, err := keyRing(t, "b").Verify("unsubscribe", old); !errors.Is(err, alerts.ErrBadToken) {
		t.Errorf("without the old key: %v, want ErrBadToken", err)
	}
}

func TestAlteredTokensAreRefused(t *testing.T) {
	keys := keyRing(t, "k1")
	rapid.Check(t, func(t *rapid.T) {
		token := []byte(keys.Sign("stop", rapid.StringMatching(`[0-9]{1,9}`).Draw(t, "subject")))
		i := rapid.IntRange(0, len(token)-1).Draw(t, "at")
		c := rapid.Byte().Draw(t, "byte")
		if c == token[i] {
			t.Skip("unchanged")
		}
		was := token[i]
		token[i] = c
		if subject, err := keys.Verify("stop", string(token)); err == nil {
			t.Errorf("changed byte %d from %q to %q and got %q", i, was, c, subject)
		}
	})
}

func TestKeysOfOneAddress(t *testing.T) {
	keys := keyRing(t, "k1")
	same := []string{"ann.lee@gmail.com", "Ann.Lee@gmail.com ", "annlee+alerts@googlemail.com"}
	for _, a := range same[1:] {
		if keys.AddressKeys(a)[0] != keys.AddressKeys(same[0])[0] {
			t.Errorf("%q and %q should share a key", a, same[0])
		}
	}
	if keys.AddressKeys("ann.lee@example.org")[0] == keys.AddressKeys("annlee@example.org")[0] {
		t.Error("dots matter outside Gmail")
	}
}

func TestBadKeyRingsAreRefused(t *testing.T) {
	for _, s := range []string{"", "k1", "k1:short", "a.b:" + strings.Repeat("A", 43), ":" + strings.Repeat("A", 43), "k1:" + strings.Repeat("!", 43)} {
		if _, err := alerts.ParseKeys(s); err == nil {
			t.Errorf("ParseKeys(%q) was accepted", s)
		}
	}
	if _, err := alerts.ParseKeys(alerts.NewKeys()); err != nil {
		t.Errorf("ParseKeys(NewKeys()): %v", err)
	}
}

// A key that has leaked lets nobody in any more; what it hid is still found.
func TestALeakedKeySignsNothingAndStillFinds(t *testing.T) {
	secret := func(c string) string { return base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat(c, 32))) }
	parse := func(s string) alerts.Keys {
		t.Helper()
		keys, err := alerts.ParseKeys(s)
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	before := parse("a:" + secret("a"))
	link, address, sealed := before.Sign("manage", "7:2026-12-01"), before.AddressKeys("jo@example.org")[0], before.SealSecret("whsec_x")
	inbound, err := alerts.ParseInbound("bounces@example.org", before)
	if err != nil {
		t.Fatal(err)
	}
	after := parse("b:" + secret("b") + ",-a:" + secret("a"))
	if _, err := after.Verify("manage", link); !errors.Is(err, alerts.ErrBadToken) {
		t.Errorf("a link made with the leaked key: %v", err)
	}
	if got, err := after.Verify("manage", after.Sign("manage", "7:2026-12-01")); err != nil || got != "7:2026-12-01" {
		t.Errorf("a link made with the new key: %q, %v", got, err)
	}
	if keys := after.AddressKeys("jo@example.org"); len(keys) != 2 || keys[1] != address {
		t.Error("who signed up before the leak is not found any more")
	}
	if got, err := after.OpenSecret(sealed); err != nil || got != "whsec_x" {
		t.Errorf("what was sealed before the leak opens as %q, %v", got, err)
	}
	if again, err := alerts.ParseInbound("bounces@example.org", after); err != nil {
		t.Error(err)
	} else if _, err := again.Read(inbound.ReturnPath(41)); err == nil {
		t.Error("a return path made with the leaked key is believed")
	}
	if _, err := alerts.ParseKeys("-a:" + secret("a")); err == nil || !strings.Contains(err.Error(), "has leaked: put a new one in front") {
		t.Errorf("a ring that begins with a leaked key: %v", err)
	}
}
