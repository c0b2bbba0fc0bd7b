test ! -e /usr/bin/portolan
test ! -e /usr/bin/portolan-agent
test -e /var/lib/portolan/store.json
test -e /var/lib/portolan-agent/agent.json
test -e /etc/portolan/portolan.toml
test -e /etc/portolan-agent/token
test -z "$(ss --no-header --tcp --listening --numeric sport = :443)"
