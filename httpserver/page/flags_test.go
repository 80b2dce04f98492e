package page

import _ "github.com/refrain-fleet/refrain/internal/failure" // the flags of every test binary
