# Installed and not configured: it neither runs nor has failed.
systemctl is-enabled portolan-agent
test "$(systemctl is-active portolan-agent)" = inactive
test "$(stat --format '%U:%G %a' /etc/portolan-agent)" = 'root:portolan-agent 750'
