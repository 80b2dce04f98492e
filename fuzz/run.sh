#!/usr/bin/env bash
# Searches with each fuzz target in turn. Usage: fuzz/run.sh [fuzztime]
#
# The targets are asked for and not listed here, so that a new one is found.
set -euo pipefail
cd "$(dirname "$0")/.."

fuzztime=${1:-30s}
# With -fuzz the list comes from the binary that then searches. Its packages are
# built with counters, which takes about a minute the first time.
echo "== building the fuzz targets"
targets=$(go test -run '^$' -fuzz . -list '^Fuzz' ./fuzz | grep '^Fuzz')
log=$(mktemp)
trap 'rm -f "$log"' EXIT

failed=()
for target in $targets; do
	echo "== $target for $fuzztime"
	if go test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" ./fuzz 2>&1 | tee "$log"; then
		continue
	fi
	# Up to Go 1.26 the engine may report its own deadline as a failure
	# (go.dev/issue/75804). A finding always leaves an input behind.
	if grep -q 'context deadline exceeded' "$log" && ! grep -qE 'Failing input written|panic:' "$log"; then
		echo "== $target: the time was up; nothing was found"
		continue
	fi
	failed+=("$target")
done

if [ ${#failed[@]} -gt 0 ]; then
	echo "failed: ${failed[*]}; the inputs are under fuzz/testdata/fuzz" >&2
	build="$(git describe --always --exclude='*' --abbrev=12 --dirty=+changes 2>/dev/null || echo unknown)"
	pattern="$(IFS='|'; echo "${failed[*]}")"
	echo "again    go test ./fuzz -count=1 -run '^($pattern)\$'  # build $build $(go env GOVERSION) $(go env GOOS)/$(go env GOARCH)" >&2
	exit 1
fi
