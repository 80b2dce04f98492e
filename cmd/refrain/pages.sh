#!/bin/sh
# Measures what open live pages cost a plane: a real plane that knows many hosts, a few
# real agents, and streams over mutual TLS, each kind in processes of its own, over
# loopback. It prints the time of one whole page, and the processor time of the plane
# without a page and with so many.
#
#	make pages [HOSTS=100000] [PAGES=10] [AGENTS=200] [MEASURED=30]
set -eu
refrain=${REFRAIN:-bin/refrain}
hosts=${HOSTS:-100000} pages=${PAGES:-10} agents=${AGENTS:-200} measured=${MEASURED:-30}
port=${PORT:-18443} ops=${OPS_PORT:-19090} page=${PAGE_PORT:-18444}
dir=$(mktemp -d)
plane= fleet= streams=
stop() {
	[ -z "$streams" ] || kill $streams 2>/dev/null || true
	[ -z "$fleet" ] || kill "$fleet" 2>/dev/null || true
	[ -z "$plane" ] || kill -9 "$plane" 2>/dev/null || true
	wait 2>/dev/null || true
	rm -rf "$dir"
}
trap stop EXIT
trap 'exit 1' INT TERM

metric() { curl -fsS "http://127.0.0.1:$ops/metrics" 2>/dev/null | awk -v name="$1" '$1 == name { print $2 }'; }
ask() { curl -fsS --cacert "$dir/pki/ca.crt" --cert "$dir/pki/operators/anna.crt" --key "$dir/pki/operators/anna.key" "$@"; }

mkdir "$dir/manifests"
"$refrain" pki init --dir "$dir/pki" --cn-suffix fleet.example.com >/dev/null
"$refrain" pki server --dir "$dir/pki" 127.0.0.1 >/dev/null
"$refrain" pki operator --dir "$dir/pki" anna >/dev/null
# The agents are in the first two waves; the others never answer.
awk -v n="$hosts" -v a="$agents" 'BEGIN {
	printf "{\"channel\":\"stable\",\"channel_ref\":\"r1\",\"serial\":1,\"policy\":{\"on_health_failure\":\"halt\",\"waves\":[{\"soak_minutes\":1},{\"soak_minutes\":1},{\"soak_minutes\":1}]},\"hosts\":["
	for (i = 1; i <= n; i++) printf "%s{\"hostname\":\"host-%04d\",\"wave\":%d,\"target_closure\":\"c2\"}", (i > 1 ? "," : ""), i, (i <= a / 2 ? 0 : i <= a ? 1 : 2)
	printf "]}\n"
}' >"$dir/manifests/stable.json"
"$refrain" serve --listen "127.0.0.1:$port" --ops-listen "127.0.0.1:$ops" --page-listen "127.0.0.1:$page" --db memory --manifests "$dir/manifests" \
	--tls-cert "$dir/pki/server.crt" --tls-key "$dir/pki/server.key" --client-ca "$dir/pki/ca.crt" --agent-cn-suffix fleet.example.com \
	--max-manifest 256MiB --flight-dir off >"$dir/plane.log" 2>&1 &
plane=$!
tries=0
until [ "$(metric 'refrain_hosts{reachability="never_seen"}' || true)" = "$hosts" ]; do
	tries=$((tries + 1))
	kill -0 "$plane" && [ "$tries" -lt 120 ] || { echo "the plane does not know the hosts"; tail -3 "$dir/plane.log"; exit 1; }
	sleep 1
done
"$refrain" load --url "https://127.0.0.1:$port" --dir "$dir/pki" --hosts "$agents" --interval 10s --speed 2 >"$dir/fleet.log" 2>&1 &
fleet=$!
sleep 10
echo "hosts $hosts, agents $agents, $(nproc) processors, load $(cut -d' ' -f1 /proc/loadavg)"
for attempt in 1 2 3; do
	ask -o "$dir/page.html" -w 'page: %{time_starttransfer} s to its first byte, %{time_total} s in all, %{size_download} bytes\n' "https://127.0.0.1:$page/"
	sleep 2
done
used() { # SECONDS: processor time of the plane meanwhile
	before=$(metric process_cpu_seconds_total)
	rendered=$(metric refrain_page_renderings_total)
	sleep "$1"
	echo "$(metric process_cpu_seconds_total) $before $1 $(metric refrain_page_renderings_total) $rendered" |
		awk '{ printf "%.1f%% of a processor (%.2f s in %d s), %d renderings\n", 100 * ($1 - $2) / $3, $1 - $2, $3, $4 - $5 }'
}
echo "no page:   $(used "$measured")"
for p in $(seq "$pages"); do
	ask -N -o "$dir/stream-$p" "https://127.0.0.1:$page/events" 2>/dev/null &
	streams="$streams $!"
done
sleep 3
echo "$(metric refrain_page_viewers) pages:  $(used "$measured")"
echo "sent to one page meanwhile: $(wc -c <"$dir/stream-1") bytes"
echo "steps of queries: $(metric 'refrain_step_seconds_count{input="query"}'), mean $(echo "$(metric 'refrain_step_seconds_sum{input="query"}') $(metric 'refrain_step_seconds_count{input="query"}')" | awk '{ printf "%.2f ms", 1000 * $1 / $2 }')"
