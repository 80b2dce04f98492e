package attack

import (
	"context"
	"regexp"
)

// Attack is one kind of attack.
type Attack struct {
	// Name is one word or several with hyphens.
	Name string
	// Does says what the attackers do, with the numbers of the long form.
	Does string
	// Descriptors is the server's limit of descriptors; 0 for that of this machine.
	Descriptors int
	// Longer is how many times as long as others it takes; 0 for once.
	Longer int

	// prepare does what comes before the attack itself, and returns it. The attack
	// ends with its context.
	prepare func(context.Context, *attacker) (attack func(context.Context) error, err error)
}

// All returns the attacks in the order in which they run.
func All() []Attack {
	return []Attack{
		{Name: "chain", Does: "a stranger sends 99 bogus intermediates with P-521 keys, 5 times a second", prepare: chain},
		{Name: "slow-headers", Does: "a stranger sends the headers of 500 requests, a byte a second", prepare: slowHeaders},
		{Name: "slow-bodies", Does: "an enrolled host sends 300 bodies, a byte a second", prepare: slowBodies},
		{Name: "half-open", Does: "a stranger begins 10,000 handshakes and ends none", prepare: halfOpen},
		{Name: "idle", Does: "a stranger opens 10,000 connections and sends nothing; the server has 4,096 descriptors", Descriptors: 4096, prepare: idle},
		{Name: "handshakes", Does: "a stranger makes handshakes as fast as it can, 64 at a time", prepare: handshakeFlood},
		{Name: "own-name", Does: "an enrolled host sends heartbeats and events over 100 connections, as fast as they are answered", prepare: ownName},
		{Name: "polls", Does: "an enrolled host polls over 5,000 connections, which takes three times as long", Longer: 3, prepare: polls},
		{Name: "certificates", Does: "200 enrolled hosts open 16 connections each; the server has 2,048 descriptors", Descriptors: 2048, prepare: certificates},
		{Name: "disk", Does: "an enrolled host sends events of 60 KB over 8 connections, at most 4,000", prepare: diskFilling},
		{Name: "history", Does: "an operator reads pages of a history of 3 MB over 6 connections, 4 KB a second", prepare: historyReaders},
		{Name: "manifests", Does: "an operator opens manifests of 150,000 hosts, one after the other, at most 5", prepare: giantManifests},
		{Name: "pipelining", Does: "an enrolled host sends 500 requests at once over each of 20 connections, again and again", prepare: pipelining},
		{Name: "smuggling", Does: "an enrolled host sends requests that can be read as one or as two", prepare: smuggling},
		{Name: "revoked", Does: "hosts go on over their connections when their certificates are revoked", prepare: revoked},
		{Name: "expired", Does: "hosts go on over their connections when their certificates have expired", prepare: expired},
	}
}

// Matching returns the attacks whose names a pattern matches; nil matches all.
func Matching(pattern *regexp.Regexp) (list []Attack) {
	for _, attack := range All() {
		if pattern == nil || pattern.MatchString(attack.Name) {
			list = append(list, attack)
		}
	}
	return list
}

func named(name string) (Attack, bool) {
	for _, attack := range All() {
		if attack.Name == name {
			return attack, true
		}
	}
	return Attack{}, false
}
