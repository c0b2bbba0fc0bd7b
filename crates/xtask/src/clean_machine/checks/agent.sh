# With exactly the unit's capabilities and as a user of its own it tells the sockets of another user
# with pid, path and user, in the host's namespace and in another one.
pid=$(systemctl show --property MainPID --value portolan-agent)
test "$(stat --format %U "/proc/$pid")" = portolan-agent
for set in CapPrm CapEff CapBnd CapAmb; do grep -x "$set:.0000000000281004" "/proc/$pid/status"; done
grep -x 'NoNewPrivs:.1' "/proc/$pid/status"
grep -x 'Seccomp:.2' "/proc/$pid/status"
ip netns add blue
# Nobody is in it: only its mount leads there.
ip netns add empty
listen 7001
listen 7002 ip netns exec blue
reported() {
	test -n "$(this_host)"
}
eventually reported
eventually listed host 7001 /usr/bin/perl nobody ,
eventually listed container 7002 /usr/bin/perl nobody ,blue
eventually listed host 8443 /usr/bin/portolan portolan ,
told_whole() {
	portolan host "$(this_host)" --output json | tr -d ' \n' |
		grep -F '"coverage":{"privileged":true,"namespaces":3,"namespaces_skipped":0,"sockets_unattributed":0,'
}
eventually told_whole
test "$(curl --silent --fail --cacert "$PORTOLAN_CA_FILE" --header "X-Auth-Token: $PORTOLAN_TOKEN" \
	"$PORTOLAN_SERVER/v5/p1/asset/port/statistics?port=7001")" = '{"total_num":1,"data_list":[{"num":1,"port":7001,"type":"TCP"}]}'
no_error_in_the_log_of portolan-agent
# The cgroup namespace of systemd-nspawn hides the root that the kernel's events are attached at: the
# agent polls here, and says so. Nothing else warns.
warnings() {
	journalctl --quiet --unit portolan-agent --grep ' WARN ' |
		grep --invert-match 'finding the root of the unified cgroup hierarchy failed'
}
refused warnings
