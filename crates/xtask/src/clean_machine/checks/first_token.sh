test ! -e /var/lib/portolan/admin-token
test "$(portolan token list --project '*' --output csv | tail --lines +2 | cut -d, -f2,3)" = operator,admin
# Only the owner can read what was written.
test "$(stat --format %a /root/portolan-token)" = 600
