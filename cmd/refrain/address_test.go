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
