served_is_the_file() {
	served=$(openssl s_client -connect portolan.example:8443 </dev/null 2>/dev/null | openssl x509 -noout -fingerprint)
	test "$served" = "$(openssl x509 -noout -fingerprint -in /etc/portolan/tls/server.pem)"
}
eventually served_is_the_file
no_error_in_the_log_of portolan
# A certificate that does not fit its key changes nothing.
cp /root/portolan-ca/ca.pem /etc/portolan/tls/server.pem
systemctl reload portolan
eventually journalctl --quiet --unit portolan --grep 'the certificate cannot be read again'
portolan hosts
install -m 640 -g portolan /root/portolan-ca/server.pem /etc/portolan/tls/server.pem
systemctl reload portolan
eventually served_is_the_file
