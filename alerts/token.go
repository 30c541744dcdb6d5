package alerts

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// Keys is the operator's key ring for links and hashes (SITENOTICE_KEYS): the
// first key signs, all of them verify, so that links in old mails keep working. One
// that has leaked verifies nothing any more; what was hashed or sealed with it is
// still found and opened.
type Keys struct{ ring []key }

type key struct {
	id     string
	secret []byte
	leaked bool
}

var encoding = base64.RawURLEncoding.Strict()

// ParseKeys reads "id:key,id:key", the newest first; keys are base64url of at
// least 32 bytes. A minus before the id says that the key has leaked.
func ParseKeys(s string) (Keys, error) {
	var k Keys
	for entry := range strings.SplitSeq(s, ",") {
		id, secret, ok := strings.Cut(strings.TrimSpace(entry), ":")
		id, leaked := strings.CutPrefix(id, "-")
		if !ok || id == "" || strings.Contains(id, ".") {
			return Keys{}, fmt.Errorf("SITENOTICE_KEYS must be a list of id:key, for example k1:%s", encoding.EncodeToString(make([]byte, 4))+"…")
		}
		b, err := encoding.DecodeString(strings.TrimRight(secret, "="))
		if err != nil || len(b) < 32 {
			return Keys{}, fmt.Errorf("the key %q in SITENOTICE_KEYS must be base64url of at least 32 bytes", id)
		}
		k.ring = append(k.ring, key{id, b, leaked})
	}
	if k.ring[0].leaked {
		return Keys{}, fmt.Errorf("the first key in SITENOTICE_KEYS has a minus, so it has leaked: put a new one in front of it, for example k%d:%s", len(k.ring)+1, strings.TrimPrefix(NewKeys(), "k1:"))
	}
	return k, nil
}

// NewKeys returns a fresh key ring as [ParseKeys] reads it.
func NewKeys() string {
	b := make([]byte, 32)
	rand.Read(b)
	return "k1:" + encoding.EncodeToString(b)
}

func (k key) mac(parts ...string) []byte {
	h := hmac.New(sha256.New, k.secret)
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p) // lengths keep "a"+"bc" apart from "ab"+"c"
	}
	return h.Sum(nil)
}

// ErrBadToken says that a link is not one of ours, or was altered.
var ErrBadToken = errors.New("this link is not complete or not valid")

// Sign returns a token that binds purpose and subject, in base64url and dots. The
// subject can be read from it, so it must hold nothing personal.
func (k Keys) Sign(purpose, subject string) string {
	first := k.ring[0]
	return first.id + "." + encoding.EncodeToString([]byte(subject)) + "." + encoding.EncodeToString(first.mac(purpose, subject))
}

// Verify returns the subject of a token signed for purpose; ErrBadToken
// otherwise.
func (k Keys) Verify(purpose, token string) (subject string, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", ErrBadToken
	}
	b, err1 := encoding.DecodeString(parts[1])
	mac, err2 := encoding.DecodeString(parts[2])
	if err1 != nil || err2 != nil || strings.ContainsAny(token, "\r\n") { // line breaks are passed over when it is decoded
		return "", ErrBadToken
	}
	for _, key := range k.ring {
		if key.id == parts[0] && !key.leaked && hmac.Equal(mac, key.mac(purpose, string(b))) {
			return string(b), nil
		}
	}
	return "", ErrBadToken
}

// WhyPath is the path of the page that says why a subscription was, or was not, told
// of an application. It works for as long as both are known.
func (k Keys) WhyPath(subscription, application int64) string {
	return "/why/" + k.Sign("why", fmt.Sprintf("%d:%d", subscription, application))
}

// ParseWhy reads the token of [Keys.WhyPath].
func (k Keys) ParseWhy(token string) (subscription, application int64, err error) {
	subject, err := k.Verify("why", token)
	if err != nil {
		return 0, 0, err
	}
	if _, err := fmt.Sscanf(subject, "%d:%d", &subscription, &application); err != nil {
		return 0, 0, ErrBadToken
	}
	return subscription, application, nil
}

// AddressKeys returns the keyed hashes under which an address may be known, the
// first being the one to store. Case and the parts that providers ignore (+tags,
// dots at Gmail) make no difference.
func (k Keys) AddressKeys(address string) []string {
	out := make([]string, len(k.ring))
	for i, key := range k.ring {
		out[i] = encoding.EncodeToString(key.mac("address", foldAddress(address)))
	}
	return out
}

func foldAddress(address string) string {
	local, domain, _ := strings.Cut(strings.ToLower(strings.TrimSpace(address)), "@")
	local, _, _ = strings.Cut(local, "+")
	if domain == "gmail.com" || domain == "googlemail.com" {
		local, domain = strings.ReplaceAll(local, ".", ""), "gmail.com"
	}
	return local + "@" + domain
}

// equal compares two texts in a time that does not tell where they differ.
func equal(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }

// NewSecret returns 256 random bits in base64url, for links that work once.
func NewSecret() string {
	b := make([]byte, 32)
	rand.Read(b)
	return encoding.EncodeToString(b)
}

// HashSecret is what is stored of a secret.
func HashSecret(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return encoding.EncodeToString(sum[:])
}
