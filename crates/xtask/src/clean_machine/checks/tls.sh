curl --silent --show-error --fail --cacert /etc/portolan/tls/ca.pem https://portolan.example:8443/readyz
refused curl --silent --fail http://portolan.example:8443/readyz
refused curl --silent --fail https://portolan.example:8443/readyz
no_error_in_the_log_of portolan
