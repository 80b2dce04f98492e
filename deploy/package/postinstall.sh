#!/bin/sh
# Nothing is started: a plane needs its certificates and its configuration first.
set -e
if command -v systemd-sysusers >/dev/null; then
	systemd-sysusers refrain.conf
elif ! getent group refrain-tls >/dev/null; then
	groupadd --system refrain-tls
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	# An upgrade: what runs goes on with the new binary.
	systemctl try-restart refrain.service refrain-agent.service
fi
