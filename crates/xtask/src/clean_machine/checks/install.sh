systemctl is-active portolan
systemctl is-enabled portolan
curl --silent --show-error --fail http://127.0.0.1:8080/readyz
test "$(ss --no-header --tcp --listening --numeric sport = :8080 | awk '{ print $4 }')" = 127.0.0.1:8080
pid=$(systemctl show --property MainPID --value portolan)
test "$(stat --format %U "/proc/$pid")" = portolan
grep -x 'CapEff:.0000000000000000' "/proc/$pid/status"
grep -x 'NoNewPrivs:.1' "/proc/$pid/status"
grep -x 'Seccomp:.2' "/proc/$pid/status"
test "$(stat --format '%U %a' /var/lib/portolan /var/lib/portolan/admin-token | tr '\n' ' ')" = 'portolan 700 portolan 600 '
test "$(stat --format '%U:%G %a' /etc/portolan)" = 'root:portolan 750'
no_error_in_the_log_of portolan
