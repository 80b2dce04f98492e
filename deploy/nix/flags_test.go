package nix

import _ "github.com/refrain-fleet/refrain/internal/failure"
