systemctl stop portolan
echo damaged > /var/lib/portolan/commit.mark
refused portolan store verify
refused systemctl start portolan
eventually journalctl --quiet --unit portolan --grep 'store in /var/lib/portolan is damaged'
systemctl stop portolan
# By root, as one does it then; the server must be able to go on with it.
portolan store repair
portolan store verify
systemctl reset-failed portolan
systemctl start portolan
portolan recount
eventually listed host 7001 /usr/bin/perl nobody ,
