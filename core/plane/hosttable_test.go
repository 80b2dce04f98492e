package plane

import (
	"strings"
	"testing"
	"unsafe"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/wire"
)

// TestTheHostTableIsAMap compares the table with a map, over names that differ
// late, early, in length only, or by one byte around the inlined part.
func TestTheHostTableIsAMap(t *testing.T) {
	stems := []string{"", "a", "web-", strings.Repeat("x", 7), strings.Repeat("x", 8), strings.Repeat("y", inlineName-1),
		strings.Repeat("y", inlineName), strings.Repeat("y", inlineName+1), strings.Repeat("z", 240)}
	names := rapid.Custom(func(t *rapid.T) wire.Hostname {
		return wire.Hostname(rapid.SampledFrom(stems).Draw(t, "stem") + rapid.StringMatching(`[ab]{0,3}[0-9]{1,3}`).Draw(t, "rest"))
	})
	rapid.Check(t, func(t *rapid.T) {
		var table hostTable
		known := map[wire.Hostname]int{}
		for range 200 {
			name := names.Draw(t, "name")
			i, found := table.find(name)
			want, is := known[name]
			if found != is || found && i != want {
				t.Fatalf("find(%q) = %d, %v; want %d, %v", name, i, found, want, is)
			}
			if !found {
				known[name] = table.add(name)
			}
		}
		for name, want := range known {
			if i, found := table.find(name); !found || i != want || table.hosts[i].name != name {
				t.Fatalf("find(%q) = %d, %v; want %d", name, i, found, want)
			}
		}
		if len(table.hosts) != len(known) || len(table.vitals) != len(known) {
			t.Fatalf("%d hosts and %d vitals; want %d", len(table.hosts), len(table.vitals), len(known))
		}
		if 3*len(table.hosts) > 2*len(table.index) {
			t.Fatalf("%d hosts in an index of %d", len(table.hosts), len(table.index))
		}
	})
}

func TestAnEmptyHostTableFindsNobody(t *testing.T) {
	var table hostTable
	if _, found := table.find("h1"); found {
		t.Error("found a host in an empty table")
	}
}

// Names whose fingerprints are equal are told apart by the names themselves.
// Nobody knows such names, so the index is made to say so.
func TestHostsWithEqualFingerprintsAreToldApart(t *testing.T) {
	long := strings.Repeat("x", inlineName)
	for _, names := range [][2]wire.Hostname{
		{"h1", "h2"},
		{"h1", "h11"},
		{wire.Hostname(long), wire.Hostname(long + "x")},
		{wire.Hostname(long + "1"), wire.Hostname(long + "2")},
		{wire.Hostname(long + "1"), wire.Hostname("2" + long)},
	} {
		var table hostTable
		table.add(names[1])
		print := fingerprint(string(names[0]))
		slot := indexSlot{tag: uint32(print >> 32), host: 1}
		mask := len(table.index) - 1
		table.index[int(print)&mask] = slot
		if i, found := table.find(names[0]); found {
			t.Errorf("%s is taken for %s", names[0], table.hosts[i].name)
		}
		own := table.add(names[0])
		if i, found := table.find(names[0]); !found || i != own {
			t.Errorf("find(%s) = %d, %v; want %d", names[0], i, found, own)
		}
	}
}

// One cache line is the reason for the table (decision 010).
func TestVitalsAreOneCacheLine(t *testing.T) {
	if size := unsafe.Sizeof(vitals{}); size != 64 {
		t.Errorf("vitals are %d bytes; want 64", size)
	}
}
