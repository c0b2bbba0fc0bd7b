curl --silent --show-error --fail --cacert /etc/portolan/tls/ca.pem https://portolan.example/readyz
pid=$(systemctl show --property MainPID --value portolan)
grep -x 'CapEff:.0000000000000400' "/proc/$pid/status"
eventually listed host 443 /usr/bin/portolan portolan ,
