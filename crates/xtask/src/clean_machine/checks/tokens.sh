test -z "$(portolan token list --output csv | grep ,dashboard,)"
PORTOLAN_TOKEN=$(cat /root/dashboard-token) refused portolan hosts
test -s /root/access-key
