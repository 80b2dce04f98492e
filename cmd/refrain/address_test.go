package main

import (
	"errors"
	"strings"
	"testing"
)

func TestAddresses(t *testing.T) {
	for _, good := range []string{":8443", "127.0.0.1:0", "[::1]:8443", "plane.example.com:443", "localhost:https", ":65535"} {
		var a address
		if err := a.UnmarshalText([]byte(good)); err != nil || string(a) != good {
			t.Errorf("%q: %q, %v", good, a, err)
		}
	}
	for _, test := range []struct{ text, want, instead string }{
		{"", "it is empty", ""},
		{"8443", "a port alone needs a colon before it", ":8443"},
		{"99999", "it has no port", ""},
		{"localhost", "it has no port", ""},
		{"localhost:", "it has no port; 0 picks a free one", ""},
		{":99999", "the port is 99999; want 0 to 65535", ""},
		{":-1", "the port is -1; want 0 to 65535", ""},
		{":no-such-service", "the port is not a number from 0 to 65535", ""},
		{"::1:8443", "an IPv6 address needs brackets", ""},
		{"https://localhost:8443", "it is a URL", ""},
		{"off", "it has no port", ""},
	} {
		a := address("before")
		err := a.UnmarshalText([]byte(test.text))
		var value *valueError
		if !errors.As(err, &value) || !strings.Contains(err.Error(), test.want) || value.instead != test.instead || a != "before" {
			t.Errorf("%q: %q, %v; want %q, instead %q", test.text, a, err, test.want, test.instead)
		}
	}
	var off opsAddress
	if err := off.UnmarshalText([]byte("off")); err != nil || off != opsOff {
		t.Errorf("off: %q, %v", off, err)
	}
}

func TestNetworks(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "10.0.0.0/8": "10.0.0.0/8", "2001:db8::1": "2001:db8::1/128", "::ffff:192.0.2.7": "192.0.2.7/32",
	} {
		var n network
		if err := n.UnmarshalText([]byte(text)); err != nil || prefixes([]network{n})[0].String() != want {
			t.Errorf("%q: %v, %v; want %s", text, n, err, want)
		}
	}
	for _, text := range []string{"", "localhost", "10.0.0.0/33", "fe80::1%eth0", "192.0.2.7:80", "10.0.0.1/8"} {
		var n network
		if err := n.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "want an address or a network, such as") {
			t.Errorf("%q: %v", text, err)
		}
	}
	var n network
	var value *valueError
	if err := n.UnmarshalText([]byte("10.0.0.1/8")); !errors.As(err, &value) || value.instead != "10.0.0.0/8" {
		t.Errorf("bits after the prefix: %v", err)
	}
}
