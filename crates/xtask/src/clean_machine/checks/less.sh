pid=$(systemctl show --property MainPID --value portolan-agent)
grep -x 'CapEff:.0000000000080004' "/proc/$pid/status"
# It goes on, and says that it is less.
told_less() {
	portolan host "$(this_host)" --output json | tr -d ' \n' | grep -F '"coverage":{"privileged":false,"namespaces":2,"namespaces_skipped":1,'
}
eventually told_less
listed host 7001 /usr/bin/perl nobody ,
listed container 7002 /usr/bin/perl nobody ,blue
journalctl --quiet --unit portolan-agent --grep 'not all of this host can be seen.*CAP_SYS_ADMIN'
