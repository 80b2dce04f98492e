#!/bin/sh
# Measures how a plane that lost its database learns of a fleet again: a real plane
# and real agents, in two processes, over loopback. It prints a table, a line for
# each second after the plane's start.
#
#	make wiped [HOSTS=2000] [REPLAYS=256] [INTERVAL=30s] [SECONDS_AFTER=90]
set -eu
refrain=${REFRAIN:-bin/refrain}
hosts=${HOSTS:-2000} replays=${REPLAYS:-256} interval=${INTERVAL:-30s} after=${SECONDS_AFTER:-90}
port=${PORT:-18443} ops=${OPS_PORT:-19090}
dir=$(mktemp -d)
plane= fleet=
stop() {
	[ -z "$fleet" ] || kill "$fleet" 2>/dev/null || true
	[ -z "$plane" ] || kill -9 "$plane" 2>/dev/null || true
	wait 2>/dev/null || true
	rm -rf "$dir"
}
trap stop EXIT
trap 'exit 1' INT TERM

serve() {
	"$refrain" serve --listen "127.0.0.1:$port" --ops-listen "127.0.0.1:$ops" --db "$dir/db/plane.db" --manifests "$dir/manifests" \
		--tls-cert "$dir/pki/server.crt" --tls-key "$dir/pki/server.key" --client-ca "$dir/pki/ca.crt" --agent-cn-suffix fleet.example.com \
		--heartbeat-interval "$interval" --max-replays "$replays" >>"$dir/plane.log" 2>&1 &
	plane=$!
}
metric() { curl -fsS "http://127.0.0.1:$ops/metrics" 2>/dev/null | awk -v name="$1" '$1 == name { print $2 }'; }

mkdir "$dir/db" "$dir/manifests"
"$refrain" pki init --dir "$dir/pki" --cn-suffix fleet.example.com >/dev/null
"$refrain" pki server --dir "$dir/pki" 127.0.0.1 >/dev/null
awk -v n="$hosts" 'BEGIN {
	printf "{\"channel\":\"stable\",\"channel_ref\":\"r1\",\"serial\":1,\"policy\":{\"on_health_failure\":\"halt\",\"waves\":[{\"soak_minutes\":1}]},\"hosts\":["
	for (i = 1; i <= n; i++) printf "%s{\"hostname\":\"host-%04d\",\"wave\":0,\"target_closure\":\"c2\"}", (i > 1 ? "," : ""), i
	printf "]}\n"
}' >"$dir/manifests/stable.json"
serve
"$refrain" load --url "https://127.0.0.1:$port" --dir "$dir/pki" --hosts "$hosts" --interval "$interval" >"$dir/fleet.log" 2>&1 &
fleet=$!
tries=0
until [ "$(metric 'refrain_records{state="Converged"}')" = "$hosts" ]; do
	tries=$((tries + 1))
	[ "$tries" -lt 600 ] || { echo "the fleet has not converged after $tries seconds"; tail -3 "$dir/plane.log" "$dir/fleet.log"; exit 1; }
	kill -0 "$plane" && kill -0 "$fleet" || { tail -3 "$dir/plane.log" "$dir/fleet.log"; exit 1; }
	sleep 1
done
kill -9 "$plane"
wait "$plane" 2>/dev/null || true
rm -rf "$dir/db"
mkdir "$dir/db"
sleep 5
serve
echo "second  hosts known  replays under way  put off so far  503 so far"
second=0
while [ "$second" -lt "$after" ]; do
	sleep 1
	second=$((second + 1))
	curl -fsS "http://127.0.0.1:$ops/metrics" 2>/dev/null | awk -v s="$second" '
		$1 == "refrain_records{state=\"Converged\"}" { known = $2 }
		$1 == "refrain_replays_under_way" { under = $2 }
		$1 == "refrain_replays_put_off_total" { off = $2 }
		$1 ~ /^refrain_unavailable_total/ { refused += $2 }
		END { printf "%6d  %11d  %17d  %14d  %10d\n", s, known, under, off, refused }'
	[ "$(metric 'refrain_records{state="Converged"}')" != "$hosts" ] || { echo "every host is known again"; break; }
done
