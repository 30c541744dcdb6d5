package main

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/sitenotice/sitenotice/alerts"
)

// trusted is the client for addresses that the operator has written down. It
// follows no redirect by itself.
func trusted() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxResponseHeaderBytes = 64 << 10
	return &http.Client{Transport: transport, CheckRedirect: noRedirect}
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// guarded is the client for addresses that come from data. It refuses at dial time,
// after names are resolved, whatever is not on the public internet, and uses no
// proxy, which would hide from it where a connection goes.
func guarded() *http.Client {
	guard := alerts.Guard{Ports: []uint16{80, 443}}
	dialer := &net.Dialer{Timeout: 5 * time.Second, Control: guard.Control}
	return &http.Client{CheckRedirect: noRedirect, Transport: &http.Transport{Proxy: nil, DialContext: dialer.DialContext, DisableKeepAlives: true,
		TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: 64 << 10}}
}

// hookGuard is what webhooks may be sent to: the public internet, but for this
// machine's own addresses.
func hookGuard() (alerts.Guard, error) {
	var g alerts.Guard
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return g, fmt.Errorf("list this machine's addresses, which webhooks must not reach: %w", err)
	}
	for _, a := range addrs {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			g.Own = append(g.Own, prefix.Addr().Unmap())
		}
	}
	return g, nil
}
