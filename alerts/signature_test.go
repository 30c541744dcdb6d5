package alerts

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"pgregory.net/rapid"
)

func TestEveryVectorOfStandardWebhooks(t *testing.T) {
	var vectors struct {
		Cases []struct {
			Name, Secret, ID, Timestamp, Signature string
			Valid                                  bool
			Now                                    int64
			Body                                   string `json:"body_b64"`
		}
	}
	if err := json.Unmarshal(shared(t, "delivery", "vectors", "standard-webhooks.json"), &vectors); err != nil || len(vectors.Cases) < 20 {
		t.Fatalf("%d vectors: %v", len(vectors.Cases), err)
	}
	for _, c := range vectors.Cases {
		body, err := base64.StdEncoding.DecodeString(c.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := VerifyHook(c.Secret, c.ID, c.Timestamp, c.Signature, body, time.Unix(c.Now, 0)); (err == nil) != c.Valid {
			t.Errorf("%s: %v, want valid %v", c.Name, err, c.Valid)
		}
	}
}

func TestTheOfficialVectorIsReproduced(t *testing.T) {
	got, err := SignHook([]string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; err != nil || got != want {
		t.Errorf("signed %q, want %q (%v)", got, want, err)
	}
}

func TestTheReferenceLibraryAcceptsOurSignatures(t *testing.T) {
	old, fresh := NewHookSecret(), NewHookSecret()
	now := time.Now() // the library's clock cannot be set
	body := []byte(`{"type":"application.received","data":{"text":"<&é🏚\u2028"}}`)
	signature, err := SignHook([]string{fresh, old}, "evt_1", now, body)
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{}
	header.Set(HookIDHeader, "evt_1")
	header.Set(HookTimestampHeader, itoa(now.Unix()))
	header.Set(HookSignatureHeader, signature)
	for _, secret := range []string{old, fresh} {
		hook, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := hook.Verify(body, header); err != nil {
			t.Errorf("the reference library: %v", err)
		}
		if err := hook.Verify(append(body, ' '), header); err == nil {
			t.Error("the reference library accepts other bytes")
		}
	}
}

func itoa(n int64) string { b, _ := json.Marshal(n); return string(b) }

func TestATimeIsPlainDigits(t *testing.T) {
	secret, at := NewHookSecret(), time.Unix(1614265330, 0)
	for _, stamp := range []string{"+1614265330", "01614265330", " 1614265330", "1614265330.0", "1.61426533e9", "-1614265330", ""} {
		key, err := hookKey(secret)
		if err != nil {
			t.Fatal(err)
		}
		signature := "v1," + base64.StdEncoding.EncodeToString(hookMAC(key, "evt_1", stamp, nil))
		if VerifyHook(secret, "evt_1", stamp, signature, nil, at) == nil {
			t.Errorf("the time %q is accepted", stamp)
		}
	}
}

func TestAnyChangeBreaksASignature(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := NewHookSecret()
		body := rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "body")
		at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "at"), 0)
		signature, err := SignHook([]string{secret}, "evt_1", at, body)
		if err != nil {
			t.Fatal(err)
		}
		stamp := itoa(at.Unix())
		if err := VerifyHook(secret, "evt_1", stamp, signature, body, at); err != nil {
			t.Fatal(err)
		}
		bit := rapid.IntRange(0, 8*len(body)-1).Draw(t, "bit")
		body[bit/8] ^= 1 << (bit % 8)
		if VerifyHook(secret, "evt_1", stamp, signature, body, at) == nil {
			t.Fatal("a changed body is accepted")
		}
		body[bit/8] ^= 1 << (bit % 8)
		if VerifyHook(secret, "evt_2", stamp, signature, body, at) == nil || VerifyHook(NewHookSecret(), "evt_1", stamp, signature, body, at) == nil {
			t.Fatal("another id or secret is accepted")
		}
	})
}

func TestSecretsAreSealedAndOpenWithAnyKeyOfTheRing(t *testing.T) {
	a, b := NewKeys(), strings.Replace(NewKeys(), "k1:", "k2:", 1)
	old, err1 := ParseKeys(a)
	ring, err2 := ParseKeys(b + "," + a)
	other, err3 := ParseKeys(NewKeys())
	if err1 != nil || err2 != nil || err3 != nil {
		t.Fatal(err1, err2, err3)
	}
	secret := NewHookSecret()
	sealed := old.SealSecret(secret)
	if strings.Contains(sealed, secret[6:]) || sealed == old.SealSecret(secret) {
		t.Error("the secret shows, or is sealed alike twice")
	}
	if got, err := ring.OpenSecret(sealed); err != nil || got != secret {
		t.Errorf("opened %q: %v", got, err)
	}
	if !strings.HasPrefix(ring.SealSecret(secret), "k2.") {
		t.Error("the first key does not seal")
	}
	if _, err := other.OpenSecret(sealed); err == nil {
		t.Error("another ring opens it")
	}
	damaged := []byte(sealed)
	damaged[len(damaged)-3] ^= 1
	if _, err := old.OpenSecret(string(damaged)); err == nil {
		t.Error("a damaged secret opens")
	}
}
