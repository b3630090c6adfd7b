# A licence server in a container of Proxmox VE's own: from nothing to a token, another image, and back.
say() { printf '\n== %s\n' "$*"; }
installer=/root/vgpu-installer
own=/var/lib/vgpu-offline-license

# What a failure looks like from inside.
told() {
    code=$?
    [ $code = 0 ] || tail -n 30 /run/calls /run/pct-*.log || true
    exit $code
}
trap told EXIT

ip link set lo up
ip address add 192.0.2.10/32 dev lo
mkdir -p /run/netns /sys/class/net/vmbr0 /etc/pve/lxc
printf '#somebody else'"'"'s\nhostname: other\n' >/etc/pve/lxc/100.conf

install() {
    "$installer" license install "/mnt/$1" --address dls.example --cidr 192.0.2.30/24 --accept-notice --yes
}

say 'bad input is refused, and nothing has happened'
refused() { if "$installer" license install /mnt/1.vgpu.tar --yes --accept-notice "$@" 2>&1; then exit 1; fi; }
refused --address 192.0.2.30
refused --address 192.0.2.10 --cidr 192.0.2.10/24
refused --address 192.0.2.31 --cidr 192.0.2.30/24
refused --address 192.0.2.30 --cidr 192.0.2.30/24 --vmid 100
refused --address 192.0.2.30 --cidr 192.0.2.30/24 --storage backup
refused --address 192.0.2.30 --cidr 192.0.2.30/24 --bridge vmbr9
test ! -e "$own"

say 'install'
install 1.vgpu.tar
"$installer" license status
"$installer" status
say 'the settings'
cat /etc/pve/lxc/101.conf
say 'who has what'
ls -ln "$own" "$own/cert" "$own/database" "$own/web"

say 'a token, as a file and by the script for Linux'
"$installer" license token --output /root/old.tok
python3 /root/verify.py /root/old.tok
echo '192.0.2.30 dls.example' >>/etc/hosts
"$installer" license guests /root/files
mkdir -p /etc/nvidia /root/bin
printf '#!/bin/sh\n' >/root/bin/systemctl
printf '#!/bin/sh\necho "    License Status : Licensed"\n' >/root/bin/nvidia-smi
chmod 755 /root/bin/*
PATH=/root/bin:$PATH sh /root/files/license-linux.sh
ls /etc/nvidia/ClientConfigToken

say 'the server is found stopped, and started again'
pct shutdown 101 --timeout 30 --forceStop 1
if "$installer" status; then exit 1; fi
if "$installer" license status; then exit 1; fi
install 1.vgpu.tar
"$installer" license status

say 'another image takes its place, with the same keys'
cp "$own/web/root.crt" /root/root.crt
install 2.vgpu.tar
"$installer" license status
python3 /root/verify.py /root/old.tok
cmp /root/root.crt "$own/web/root.crt"
ls /var/lib/vz/template/cache

say 'backup, remove, install, restore'
"$installer" license backup /root/backup.tar
"$installer" license remove --discard --yes
test ! -e "$own/cert"
test ! -e /etc/pve/lxc/101.conf
install 2.vgpu.tar
if cmp /root/root.crt "$own/web/root.crt"; then exit 1; fi
"$installer" license restore /root/backup.tar --replace --yes
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do "$installer" license status && break; sleep 1; done
"$installer" license status
python3 /root/verify.py /root/old.tok
cmp /root/root.crt "$own/web/root.crt"

say 'and back'
"$installer" revert --yes --all
test ! -e /etc/pve/lxc/101.conf
test -e "$own/web/root.key"
test -z "$(ls /var/lib/vz/template/cache)"
cat /etc/pve/lxc/100.conf
say 'what was called'
cat /run/calls
