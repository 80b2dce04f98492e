#!/bin/sh
# /etc/refrain and /var/lib/refrain stay: they hold keys and the fleet's state.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
