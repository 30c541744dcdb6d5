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
