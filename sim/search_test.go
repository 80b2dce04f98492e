package sim

import (
	"os"
	"strconv"
	"testing"
	"time"
)

func TestExplore(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("SEEDS"))
	if n == 0 {
		n = 20
	}
	first, _ := strconv.ParseUint(os.Getenv("FIRST"), 10, 64)
	for _, p := range Profiles() {
		if only := os.Getenv("PROFILE"); only != "" && only != p.Name {
			continue
		}
		start := time.Now()
		var events uint64
		bad := 0
		var eff Effects
		for seed := first; seed < first+uint64(n); seed++ {
			r, err := Run(Generate(seed, p), Options{Wire: os.Getenv("WIRE") != ""})
			if err != nil {
				t.Fatal(seed, err)
			}
			events += r.Events
			for i, e := range r.Effects {
				eff[i] += e
			}
			if r.Violation != nil {
				bad++
				if bad <= 5 {
					t.Errorf("%s seed %d: %v", p.Name, seed, r.Violation)
				}
			}
		}
		d := time.Since(start)
		t.Logf("%s: %d seeds %d bad %v, %v/seed, %.0f events/s", p.Name, n, bad, d, d/time.Duration(n), float64(events)/d.Seconds())
		for e := EffectNone + 1; e < effectEnd; e++ {
			if eff[e] == 0 {
				t.Logf("   never: %v", e)
			}
		}
	}
}

func TestOne(t *testing.T) {
	seed, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	if err != nil {
		t.Skip("SEED says which")
	}
	p, err := FindProfile(os.Getenv("PROFILE"))
	if err != nil {
		t.Fatal(err)
	}
	s := Generate(seed, p)
	t.Logf("%+v", s)
	for _, f := range s.Faults {
		t.Log(f)
	}
	r, err := Run(s, Options{Trace: os.Stderr})
	t.Log(r.Violation, err)
}
