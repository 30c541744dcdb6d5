package alerts

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// This file is how webhooks are signed, as Standard Webhooks 1.0.0 says: the
// signature is over the id, the time of the attempt and the exact bytes sent.

// The headers of a webhook.
const (
	HookIDHeader        = "webhook-id"
	HookTimestampHeader = "webhook-timestamp"
	HookSignatureHeader = "webhook-signature"
)

// secretPrefix marks what is a webhook secret.
const secretPrefix = "whsec_"

// HookTolerance is how far a webhook's time may be from its receiver's clock.
const HookTolerance = 5 * time.Minute

// ErrBadSignature says that a webhook was not signed with the secret, was altered,
// or is too old.
var ErrBadSignature = errors.New("the webhook's signature does not match")

// NewHookSecret returns a fresh secret as its owner is shown it, once.
func NewHookSecret() string {
	b := make([]byte, 32)
	rand.Read(b)
	return secretPrefix + base64.StdEncoding.EncodeToString(b)
}

// hookKey returns the bytes of a secret.
func hookKey(secret string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
	if err != nil || len(b) == 0 {
		return nil, errors.New("a webhook secret is whsec_ and base64")
	}
	return b, nil
}

// SignHook returns the signature header of a webhook: one signature for each
// secret, the newest first.
func SignHook(secrets []string, id string, at time.Time, body []byte) (string, error) {
	signatures := make([]string, len(secrets))
	for i, secret := range secrets {
		key, err := hookKey(secret)
		if err != nil {
			return "", err
		}
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(hookMAC(key, id, strconv.FormatInt(at.Unix(), 10), body))
	}
	if len(signatures) == 0 {
		return "", errors.New("the endpoint has no secret to sign with")
	}
	return strings.Join(signatures, " "), nil
}

func hookMAC(key []byte, id, timestamp string, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "%s.%s.", id, timestamp)
	h.Write(body)
	return h.Sum(nil)
}

// VerifyHook checks a webhook as a receiver does, given the values of its three
// headers.
func VerifyHook(secret, id, timestamp, signatures string, body []byte, now time.Time) error {
	key, err := hookKey(secret)
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if id == "" || err != nil || strconv.FormatInt(seconds, 10) != timestamp || seconds < 0 {
		return ErrBadSignature
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > HookTolerance || age < -HookTolerance {
		return ErrBadSignature
	}
	want := hookMAC(key, id, timestamp, body)
	for _, s := range strings.Split(signatures, " ") {
		version, value, _ := strings.Cut(s, ",")
		got, err := base64.StdEncoding.DecodeString(value)
		if version == "v1" && err == nil && hmac.Equal(got, want) {
			return nil
		}
	}
	return ErrBadSignature
}

// sealing says what a sealed text is for: one sealed for something else does not
// open as a secret.
const sealing = "webhook secret"

// SealSecret encrypts a webhook secret for the database, with the ring's first key.
func (k Keys) SealSecret(secret string) string {
	first := k.ring[0]
	box := first.box()
	nonce := make([]byte, box.NonceSize())
	rand.Read(nonce)
	return first.id + "." + encoding.EncodeToString(box.Seal(nonce, nonce, []byte(secret), []byte(sealing)))
}

// OpenSecret decrypts what SealSecret has encrypted with any key of the ring.
func (k Keys) OpenSecret(sealed string) (string, error) {
	id, text, _ := strings.Cut(sealed, ".")
	b, err := encoding.DecodeString(text)
	if err != nil {
		return "", errors.New("a stored webhook secret is damaged")
	}
	for _, key := range k.ring {
		if box := key.box(); key.id == id && len(b) >= box.NonceSize() {
			if secret, err := box.Open(nil, b[:box.NonceSize()], b[box.NonceSize():], []byte(sealing)); err == nil {
				return string(secret), nil
			}
		}
	}
	return "", fmt.Errorf("no key in SITENOTICE_KEYS opens a webhook secret that was sealed with the key %q: put that key back in the list", id)
}

// box is the cipher of a key. Its own key is derived, so that links and secrets
// share nothing but the ring.
func (k key) box() cipher.AEAD {
	block, err := aes.NewCipher(k.mac("seal"))
	if err != nil {
		panic(err) // the key is of 32 bytes
	}
	box, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return box
}
