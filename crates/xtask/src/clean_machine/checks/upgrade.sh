for package in portolan-server portolan-agent; do
	dpkg-query --show --showformat '${Version} ${db:Status-Status}' $package | grep -e '-2 installed$'
done
systemctl is-active portolan portolan-agent
test "$(systemctl show --property MainPID portolan portolan-agent)" != "$(cat pids)"
# What was written into the settings stays.
test "$(stat --format %Y /etc/portolan/portolan.toml)" = "$(cat settings)"
portolan recount
eventually listed host 7001 /usr/bin/perl nobody ,
