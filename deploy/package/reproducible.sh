#!/usr/bin/env bash
# Makes the packages of the commit twice, in this directory and in a clone of it
# elsewhere, and compares their sums.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ -n "$(git status --porcelain)" ]; then
	echo "reproducible.sh: there are changes that are not committed; the clone would not have them" >&2
	exit 2
fi
elsewhere="$(mktemp -d)"
trap 'rm -rf "$elsewhere"' EXIT
deploy/package/make.sh "$@" >"$elsewhere/here"
git clone --quiet . "$elsewhere/clone"
(cd "$elsewhere/clone" && deploy/package/make.sh "$@") >"$elsewhere/there"
if ! diff "$elsewhere/here" "$elsewhere/there"; then
	echo "reproducible.sh: the two differ" >&2
	exit 1
fi
echo "$(wc -l <"$elsewhere/here") files, made twice, are the same"
