# A license server in a Proxmox VE container: installation, token, image upgrade and rollback.
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
printf '#foreign\nhostname: other\n' >/etc/pve/lxc/100.conf

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

# What version 1 signs with is a pair of keys in a file each.
signed() {
    token=$(cat "$1")
    printf %s "${token%.*}" >/tmp/text
    signature=$(printf %s "${token##*.}" | tr -- -_ +/)
    while [ $((${#signature} % 4)) != 0 ]; do signature="$signature="; done
    printf %s "$signature" | base64 -d >/tmp/signature
    openssl dgst -sha256 -verify "$2" -signature /tmp/signature /tmp/text
}

say 'version 1 signs with the pair that the openssl of this node has made'
install 3.vgpu.tar
"$installer" license token --output /root/one.tok
signed /root/one.tok "$own/cert/instance.public.pem"

say 'or with the pair of the Bash script, if that was here before'
"$installer" license remove --discard --yes
script=/opt/docker/fastapi-dls/cert
mkdir -p "$script"
openssl genrsa -out "$script/instance.private.pem" 2048 2>/dev/null
openssl rsa -in "$script/instance.private.pem" -pubout -out "$script/instance.public.pem" 2>/dev/null
openssl req -x509 -nodes -days 30 -newkey rsa:2048 -subj / -keyout "$script/webserver.key" \
    -out "$script/webserver.crt" 2>/dev/null
install 3.vgpu.tar
"$installer" license token --output /root/script.tok
signed /root/script.tok "$script/instance.public.pem"
if signed /root/one.tok "$script/instance.public.pem" 2>/dev/null; then exit 1; fi
"$installer" license status

say 'and back'
"$installer" revert --yes --all
test ! -e /etc/pve/lxc/101.conf
test -e "$own/web/root.key"
test -z "$(ls /var/lib/vz/template/cache)"
cat /etc/pve/lxc/100.conf
say 'what was called'
cat /run/calls
