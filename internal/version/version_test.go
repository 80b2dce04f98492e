package version

import (
	"runtime/debug"
	"testing"
)

func TestABuildKnowsItsVersionFromWhateverSaysIt(t *testing.T) {
	compiled := &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123abc"}, {Key: "vcs.time", Value: "2026-01-31T12:00:00Z"}, {Key: "vcs.modified", Value: "true"},
	}}
	plain := &debug.BuildInfo{Main: debug.Module{Version: Unknown}}
	const checkedOut = "$Format:%H %cI%d$\n"
	for _, test := range []struct {
		name           string
		info           *debug.BuildInfo
		stamp, archive string
		want           Build
	}{
		{"nothing", nil, "", checkedOut, Build{Version: Unknown}},
		{"a module without a version", plain, "", checkedOut, Build{Version: Unknown}},
		{"the compiler", compiled, "", checkedOut, Build{"v1.2.3", "0123abc", "2026-01-31T12:00:00Z", true}},
		{"an archive of a commit", plain, "", "89ab 2026-02-01T01:02:03+01:00\n", Build{Version: Unknown, Revision: "89ab", Time: "2026-02-01T01:02:03+01:00"}},
		{"an archive of a tag", plain, "", "89ab 2026-02-01T01:02:03+01:00 (HEAD -> main, tag: v1.3.0)\n", Build{Version: "v1.3.0", Revision: "89ab", Time: "2026-02-01T01:02:03+01:00"}},
		{"the compiler before an archive", compiled, "", "89ab 2026-02-01T01:02:03+01:00 (tag: v9)\n", Build{"v1.2.3", "0123abc", "2026-01-31T12:00:00Z", true}},
		{"a stamp", plain, "1.4.0", checkedOut, Build{Version: "1.4.0"}},
		{"a stamp with its commit", compiled, "1.4.0,cdef,2026-03-01T00:00:00Z", checkedOut, Build{Version: "1.4.0", Revision: "cdef", Time: "2026-03-01T00:00:00Z"}},
	} {
		if got := From(test.info, test.stamp, test.archive); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}
