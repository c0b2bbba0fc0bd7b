mv later/*.deb .
rm portolan-server_*-1_*.deb portolan-agent_*-1_*.deb
systemctl show --property MainPID portolan portolan-agent > pids
stat --format %Y /etc/portolan/portolan.toml > settings
