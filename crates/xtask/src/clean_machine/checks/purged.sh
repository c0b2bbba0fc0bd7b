for gone in /var/lib/portolan /var/lib/portolan-agent /etc/portolan /etc/portolan-agent; do
	test ! -e $gone
done
test -z "$(systemctl list-unit-files --no-legend 'portolan*')"
test "$(systemctl is-system-running)" = running
