// Package version says which build this is: its version, commit and time.
//
// They come from the first of these that knows them: what a package's build set
// (-ldflags "-X github.com/refrain-fleet/refrain/internal/version.stamp=1.2.3"), the
// compiler, which reads .git or the module's version, and the archive that the source
// came from, in which git wrote the commit (git archive, a forge's download).
package version

import (
	_ "embed"
	"runtime/debug"
	"strings"
)

// Unknown is the version of a build that knows none.
const Unknown = "(devel)"

// Build is what is known of a build.
type Build struct {
	// Version is without an epoch, such as v1.2.3; [Unknown] if it is not known.
	Version string
	// Revision is the commit, 40 hex digits; empty if it is not known.
	Revision string
	// Time is the commit's, in RFC 3339; empty if it is not known.
	Time string
	// Modified reports changes that were not committed.
	Modified bool
}

// stamp is set by the linker: VERSION or VERSION,REVISION,TIME.
var stamp string

//go:embed archive.txt
var archive string

// Read says what is known of this build.
func Read() Build {
	info, _ := debug.ReadBuildInfo()
	return From(info, stamp, archive)
}

// From says what a compiler's information, a linker's stamp and an archive's line
// tell. info may be nil.
func From(info *debug.BuildInfo, stamp, archive string) Build {
	b := Build{Version: Unknown}
	if info != nil {
		if info.Main.Version != "" {
			b.Version = info.Main.Version
		}
		for _, setting := range info.Settings {
			switch setting.Key {
			case "vcs.revision":
				b.Revision = setting.Value
			case "vcs.time":
				b.Time = setting.Value
			case "vcs.modified":
				b.Modified = setting.Value == "true"
			}
		}
	}
	// Out of an archive the line is COMMIT TIME (tag: v1.2.3, main); in a checkout it is
	// what git replaces.
	revision, rest, _ := strings.Cut(strings.TrimSpace(archive), " ")
	if !strings.HasPrefix(archive, "$Format") && b.Revision == "" {
		b.Revision = revision
		b.Time, rest, _ = strings.Cut(rest, " ")
		for _, ref := range strings.Split(strings.Trim(rest, "()"), ", ") {
			if tag, is := strings.CutPrefix(ref, "tag: "); is && b.Version == Unknown {
				b.Version = tag
			}
		}
	}
	if stamp != "" {
		fields := append(strings.Split(stamp, ","), "", "")
		b.Version = fields[0]
		if fields[1] != "" {
			b.Revision, b.Time, b.Modified = fields[1], fields[2], false
		}
	}
	return b
}
