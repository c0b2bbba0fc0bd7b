set -euo pipefail
cd /root

# Waits until a command succeeds; fails when it never does.
eventually() {
	for _ in $(seq 150); do
		if "$@" >/dev/null 2>&1; then return 0; fi
		sleep 0.2
	done
	echo "never: $*" >&2
	"$@"
}

# The opposite of a command: set -e does not end at a plain `!`.
refused() {
	if "$@"; then
		echo "not refused: $*" >&2
		return 1
	fi
}

# The id that the server gave this host.
this_host() {
	portolan hosts --output csv | sed -n 2p | cut -d, -f1
}

# Whether the server lists a socket: category, port, path, user, then the rest of the row.
listed() {
	portolan host "$(this_host)" --output csv | tr -d '\r' | grep -E "^$1,TCP,[^,]*,$2,[a-z-]+,[0-9]+,$3,$4,$5\$"
}

# Listens on a port as another user, in the place that the words before lead to.
listen() {
	local port=$1
	shift
	"$@" setpriv --reuid nobody --regid nogroup --clear-groups \
		perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Listen => 1, LocalPort => shift) or die; sleep' "$port" \
		>/dev/null 2>&1 &
}

# Nothing in a unit's log is an error.
no_error_in_the_log_of() {
	refused journalctl --quiet --unit "$1" --grep ' ERROR '
}
