#!/usr/bin/env bash
# Makes what is released into DIR (var/release): static binaries, Debian and RPM
# packages for amd64 and arm64, the list of components, and the sums of all of them.
# The same commit and compiler make the same bytes, wherever the checkout is.
#
#   deploy/package/make.sh [VERSION]
#
# Without VERSION it is the tag of the commit, or 0.0.0 with the commit.
set -euo pipefail
cd "$(dirname "$0")/../.."
out="${DIR:-var/release}"
commit="$(git rev-parse HEAD 2>/dev/null || true)"
time="$(git log -1 --format=%cI 2>/dev/null || true)"
version="${1:-$(git describe --tags --exact-match 2>/dev/null || echo "0.0.0-dev${commit:+.g${commit:0:12}}")}"
version="${version#v}"
if ! [[ "$version" =~ ^[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.-]+)?$ ]]; then
	echo "make.sh: VERSION is $version; want a number such as 1.2.3 or 1.2.3-rc.1" >&2
	exit 2
fi
# Packages have the time of the commit. Without git it is a fixed one.
export SOURCE_DATE_EPOCH="$(git log -1 --format=%ct 2>/dev/null || echo 315532800)"
export VERSION="$version" LICENSE=Apache-2.0
stamp="-X github.com/refrain-fleet/refrain/internal/version.stamp=$version,$commit,$time"
modfile=deploy/package/go.mod

rm -rf "$out" var/package
mkdir -p "$out" var/package/units var/package/man var/package/completion
for target in ${TARGETS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64}; do
	os="${target%/*}" arch="${target#*/}"
	echo "building $target" >&2
	CGO_ENABLED=0 GOOS="$os" GOARCH="$arch" go build -trimpath -buildvcs=false -ldflags "$stamp" -o "$out/refrain-$version-$os-$arch" ./cmd/refrain
done

# Pages and completion are those of this build, printed by the binary of this machine.
host="$out/refrain-$version-$(go env GOHOSTOS)-$(go env GOHOSTARCH)"
"$host" man var/package/man >&2
gzip -9 -n var/package/man/*.1
"$host" completion bash | sed 's|-C [^ ]*|-C /usr/bin/refrain|' >var/package/completion/refrain.bash
"$host" completion fish | sed "s|(.*$(basename "$host"))|(/usr/bin/refrain)|" >var/package/completion/refrain.fish
for unit in deploy/*.service deploy/*.timer; do
	sed 's|/usr/local/bin/refrain|/usr/bin/refrain|g' "$unit" >"var/package/units/$(basename "$unit")"
done
find var/package -exec touch -d "@$SOURCE_DATE_EPOCH" {} +

for arch in amd64 arm64; do
	binary="$out/refrain-$version-linux-$arch"
	[ -e "$binary" ] || continue
	cp "$binary" var/package/refrain
	touch -d "@$SOURCE_DATE_EPOCH" var/package/refrain
	for format in deb rpm; do
		ARCH="$arch" go tool -modfile="$modfile" nfpm package --config deploy/package/nfpm.yaml --packager "$format" --target "$out" >&2
	done
done
go tool -modfile="$modfile" cyclonedx-gomod bin -json -noserial -output "$out/refrain-$version.cdx.json" "$host" 2>/dev/null
# The tool writes the time of day.
sed -i "s|^\( *\"timestamp\": \)\"[^\"]*\"|\1\"$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)\"|" "$out/refrain-$version.cdx.json"
(cd "$out" && sha256sum -- * >SHA256SUMS)
cat "$out/SHA256SUMS"
