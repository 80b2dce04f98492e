//go:build !unix

package httpagent

import (
	"errors"
	"os"
)

// lock refuses: two agents on one log would give its numbers twice, so a log
// that cannot be locked is not opened.
func lock(string) (*os.File, error) {
	return nil, errors.New("a log on disk wants a Unix, whose locks go with the process")
}
