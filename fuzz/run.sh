#!/usr/bin/env bash
# Searches with each fuzz target in turn. Usage: fuzz/run.sh [fuzztime]
#
# The targets are asked for and not listed here, so that a new one is found: those of
# this directory, and of packages that keep to themselves what they read.
set -euo pipefail
cd "$(dirname "$0")/.."

fuzztime=${1:-30s}
# With -fuzz the list comes from the binary that then searches. Its packages are
# built with counters, which takes about a minute the first time.
echo "== building the fuzz targets"
targets=()
for package in ./fuzz ./httpserver; do
	for target in $(go test -run '^$' -fuzz . -list '^Fuzz' "$package" | grep '^Fuzz'); do
		targets+=("$package $target")
	done
done
log=$(mktemp)
trap 'rm -f "$log"' EXIT

failed=()
again=()
for each in "${targets[@]}"; do
	package="${each% *}" target="${each#* }"
	echo "== $target for $fuzztime"
	if go test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" "$package" 2>&1 | tee "$log"; then
		continue
	fi
	# Up to Go 1.26 the engine may report its own deadline as a failure
	# (go.dev/issue/75804). A finding always leaves an input behind.
	if grep -q 'context deadline exceeded' "$log" && ! grep -qE 'Failing input written|panic:' "$log"; then
		echo "== $target: the time was up; nothing was found"
		continue
	fi
	failed+=("$target")
	again+=("go test $package -count=1 -run '^$target\$'")
done

if [ ${#failed[@]} -gt 0 ]; then
	echo "failed: ${failed[*]}; the inputs are under testdata/fuzz of its package" >&2
	build="$(git describe --always --exclude='*' --abbrev=12 --dirty=+changes 2>/dev/null || echo unknown)"
	for command in "${again[@]}"; do
		echo "again    $command  # build $build $(go env GOVERSION) $(go env GOOS)/$(go env GOARCH)" >&2
	done
	exit 1
fi
