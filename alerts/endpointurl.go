package alerts

import (
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode"

	"code.dny.dev/ssrf"
	"golang.org/x/net/idna"
)

// This file says which addresses strangers may have requests sent to. A host is
// looked at twice: its name when the endpoint is made, in words that help, and
// every address that it turns out to have when it is dialled, which is what counts.

// HookPorts are the ports to which webhooks may go.
var HookPorts = []uint16{443, 8443}

// azureWire is Azure's metadata service, which looks like any public address.
var azureWire = netip.MustParsePrefix("168.63.129.16/32")

// A Guard decides which addresses may be dialled on behalf of strangers: the public
// internet and nothing else. The zero Guard is the strictest.
type Guard struct {
	Ports  []uint16                  // nil for HookPorts
	Own    []netip.Addr              // this machine's addresses, which may look public
	Permit func(netip.AddrPort) bool // tests let themselves through to their own servers; nil otherwise
}

// Allows reports whether an address may be dialled.
func (g Guard) Allows(at netip.AddrPort) bool {
	if g.Permit != nil && g.Permit(at) {
		return true
	}
	ports := g.Ports
	if ports == nil {
		ports = HookPorts
	}
	if at.Addr().Zone() != "" || slices.Contains(g.Own, at.Addr().Unmap()) {
		return false
	}
	return ssrf.New(ssrf.WithPorts(ports...), ssrf.WithDeniedV4Prefixes(azureWire)).SafeAddrPort(netip.AddrPortFrom(at.Addr().Unmap(), at.Port())) == nil
}

// ErrNotPublic says that an address is not one that strangers may have dialled.
var ErrNotPublic = errors.New("the address is not on the public internet")

// Control is for a [net.Dialer]: it refuses, after names are resolved, what the guard
// does not allow.
func (g Guard) Control(network, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp4" && network != "tcp6" || !g.Allows(at) {
		return ErrNotPublic
	}
	return nil
}

// A URLPolicy says which addresses an endpoint may have. The zero policy is the
// strictest.
type URLPolicy struct {
	Guard     Guard
	PlainHTTP bool // for tests: http, and hosts that the guard permits
}

// specialNames are the endings of names that lead nowhere on the public internet.
var specialNames = []string{"localhost", "local", "internal", "intranet", "lan", "home", "corp", "private", "localdomain", "home.arpa",
	"in-addr.arpa", "ip6.arpa", "onion", "invalid", "alt"}

// hostProfile maps names as browsers and net/http do, so that what is looked at is
// what would be dialled.
var hostProfile = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(true), idna.VerifyDNSLength(true))

// Check returns the address in the form in which it is stored: scheme and host in
// lower case, the host in ASCII, no fragment, path and query as they are. What is
// wrong comes back as an [InvalidError] that says nothing of our network.
func (p URLPolicy) Check(raw string) (string, error) {
	bad := func(problem string) (string, error) { return "", Invalid("url", problem) }
	raw = strings.Trim(raw, " ")
	switch {
	case raw == "":
		return bad("Enter the address to which webhooks should be sent, for example https://hooks.example.org/planning")
	case len(raw) > MaxEndpointURL:
		return bad("The address is longer than 2,048 characters")
	case strings.ContainsFunc(raw, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) || r == '\\' }):
		return bad("The address contains a space, a backslash or a line break; write it as a browser shows it")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return bad("This is not a web address like https://hooks.example.org/planning")
	}
	plain := p.PlainHTTP && u.Scheme == "http"
	switch {
	case u.Scheme != "https" && !plain:
		return bad("The address must begin with https://")
	case u.Opaque != "" || u.Host == "" || u.Hostname() == "":
		return bad("The address has no host name; write it like https://hooks.example.org/planning")
	case u.User != nil:
		return bad("The address must not contain a user name or password; every webhook is signed, which proves where it comes from")
	}
	port, ok := p.port(u)
	if !ok {
		return bad("Webhooks can be sent to the ports 443 and 8443 only")
	}
	host, problem := p.host(u.Hostname(), port)
	if problem != "" {
		return bad(problem)
	}
	if port != 0 {
		host += ":" + strconv.Itoa(int(port))
	}
	u.Host, u.Fragment, u.RawFragment = host, "", ""
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String(), nil
}

// port returns the port of an address, 0 when it is the usual one of https.
func (p URLPolicy) port(u *url.URL) (uint16, bool) {
	text := u.Port()
	if text == "" {
		return 0, !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, false
	}
	ports := p.Guard.Ports
	if ports == nil {
		ports = HookPorts
	}
	switch {
	case n == 443 && u.Scheme == "https":
		return 0, true
	case p.PlainHTTP:
		return uint16(n), true
	}
	return uint16(n), slices.Contains(ports, uint16(n))
}

// host returns a host name in lower-case ASCII, or what is wrong with it.
func (p URLPolicy) host(name string, port uint16) (host, problem string) {
	const notPublic = "This host is not one on the public internet; use a name like hooks.example.org"
	if port == 0 {
		port = 443
	}
	if strings.ContainsAny(name, "%") {
		return "", notPublic
	}
	if addr, err := netip.ParseAddr(name); err == nil {
		if !p.Guard.Allows(netip.AddrPortFrom(addr, port)) {
			return "", notPublic
		}
		if addr.Is6() {
			return "[" + addr.String() + "]", ""
		}
		return addr.String(), ""
	}
	if strings.Contains(name, ":") {
		return "", notPublic
	}
	ascii, err := hostProfile.ToASCII(name)
	if err == nil { // what a name becomes must be one itself
		_, err = hostProfile.ToASCII(ascii)
	}
	if err != nil {
		return "", "This host name is not written as host names are; use a name like hooks.example.org"
	}
	ascii = strings.ToLower(strings.TrimSuffix(ascii, "."))
	labels := strings.Split(ascii, ".")
	last := labels[len(labels)-1]
	numeric := last == "" || strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") || strings.HasPrefix(last, "0o")
	special := slices.ContainsFunc(specialNames, func(s string) bool { return ascii == s || strings.HasSuffix(ascii, "."+s) })
	if len(labels) < 2 || numeric || special {
		return "", notPublic
	}
	return ascii, ""
}
