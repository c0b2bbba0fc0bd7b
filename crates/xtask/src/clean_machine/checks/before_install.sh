# What DNS would say.
echo '127.0.0.1 portolan.example' >> /etc/hosts
test ! -e /etc/portolan
test ! -e /var/lib/portolan
