test "$(portolan hosts --output csv | wc --lines)" = 2
portolan access-key list --output csv | grep ,terraform,
# The agent comes back by itself, and what it tells is taken.
taken() {
	curl --silent --cacert "$PORTOLAN_CA_FILE" "$PORTOLAN_SERVER/metrics" | grep -E '^portolan_heartbeats_total.*"(ok|report_needed)".* [1-9]|^portolan_reports_total.*"accepted".* [1-9]'
}
eventually taken
portolan audit verify
test "$(find /var/lib/portolan ! -user portolan | wc --lines)" = 0
