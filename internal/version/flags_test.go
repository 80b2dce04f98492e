package version

import _ "github.com/refrain-fleet/refrain/internal/failure"
