# From an empty node to a guest that holds a valid token, and back. There is no network card.
say() { printf '\n== %s\n' "$*"; }
installer=/root/vgpu-installer

# What a failure looks like from inside.
told() {
    code=$?
    [ $code = 0 ] || journalctl --no-pager -o cat -n 60 -u vgpu-offline-license.service || true
    exit $code
}
trap told EXIT

# A wire of its own between the node and what stands for a guest.
ip netns add guest
ip link add vmbr0 type veth peer name eth0 netns guest
ip address add 192.0.2.10/24 dev vmbr0
ip link set vmbr0 up
ip netns exec guest ip link set lo up
ip netns exec guest ip address add 192.0.2.20/24 dev eth0
ip netns exec guest ip link set eth0 up
sleep 3

# The guest has a driver whose daemon takes a lease for each token; both are stand-ins.
mkdir -p /root/guest/etc /root/guest/bin
cat >/root/guest/bin/systemctl <<'GUEST'
#!/bin/sh
# `restart nvidia-gridd`: a token leads to a lease, or it does not.
[ "$*" = 'restart nvidia-gridd' ] || exit 1
set -- /etc/nvidia/ClientConfigToken/*.tok
[ $# = 1 ] || exit 1
part=$(cut -d. -f2 "$1" | tr -- -_ +/)
while [ $((${#part} % 4)) != 0 ]; do part="$part="; done
where=$(printf %s "$part" | base64 -d | python3 -c \
    'import json, sys; s = json.load(sys.stdin)["service"]; print(s["url"], s["port"])')
curl --silent --fail --cacert /root/guest/root.crt --data '{"origin_ref": "guest"}' \
    "https://${where% *}:${where#* }/leasing/v1/lessor" >/etc/nvidia/lease
GUEST
cat >/root/guest/bin/nvidia-smi <<'GUEST'
#!/bin/sh
printf '    vGPU Software Licensed Product\n'
if grep -q lease_ref /etc/nvidia/lease 2>/dev/null; then state=Licensed; else state=Unlicensed; fi
printf '        License Status                    : %s\n' "$state"
GUEST
chmod 755 /root/guest/bin/*
guest() {
    ip netns exec guest unshare --mount sh -eu -c '
        mkdir -p /etc/nvidia; mount --bind /root/guest/etc /etc/nvidia
        PATH=/root/guest/bin:$PATH; exec "$@"' sh "$@"
}

say 'bad input is refused, and nothing has happened'
refused() { if "$installer" license install /mnt/bundle.vgpu.tar --yes --accept-notice "$@" 2>&1; then exit 1; fi; }
refused --address 127.0.1.1
refused --address 192.0.2.99
refused --address 192.0.2.10 --image no/such.tar
refused --address 192.0.2.10 --engine docker
python3 -m http.server --bind 192.0.2.10 8443 >/dev/null 2>&1 & other=$!
while ! ss -lnt | grep -q 192.0.2.10:8443; do sleep 1; done
refused --address 192.0.2.10
kill $other
now=$(date +%s)
date --set '1971-02-03' >/dev/null
refused --address 192.0.2.10
date --set '2101-02-03' >/dev/null
refused --address 192.0.2.10
date --set "@$now" >/dev/null
if "$installer" license status; then exit 1; fi
test ! -e /etc/systemd/system/vgpu-offline-license.service

say 'install'
"$installer" license install /mnt/bundle.vgpu.tar --address 192.0.2.10 --accept-notice --yes
"$installer" status
"$installer" license status
say 'the unit'
cat /etc/systemd/system/vgpu-offline-license.service
say 'podman inspect'
podman --root=/var/lib/vgpu-offline-license/containers --runroot=/run/vgpu-offline-license \
    --storage-driver=overlay inspect vgpu-offline-license
say 'what it may not do'
iptables-save 2>/dev/null || true
cat /proc/sys/net/ipv4/ip_forward
ss -lnt
ls -ln /var/lib/vgpu-offline-license /var/lib/vgpu-offline-license/cert /var/lib/vgpu-offline-license/web

say 'a guest takes a token'
"$installer" license guests /root/files
cp /root/files/license-root.crt /root/guest/root.crt
guest sh /root/files/license-linux.sh --feature-type 2
ls /root/guest/etc/ClientConfigToken
cat /root/guest/etc/gridd.conf
cp /root/guest/etc/ClientConfigToken/*.tok /root/old.tok
cp /root/files/license-root.crt /root/old-root.crt
"$installer" license status --json

say 'a guest that trusts another root takes none'
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=other \
    -keyout /root/other.key -out /root/other.crt 2>/dev/null
sed '/^-----BEGIN CERT/,/^-----END CERT/d' /root/files/license-linux.sh |
    sed '/<<.CERTIFICATE.$/r /root/other.crt' >/root/wrong.sh
if guest sh /root/wrong.sh; then exit 1; fi
cmp /root/old.tok /root/guest/etc/ClientConfigToken/*.tok

say 'a token as a file'
"$installer" license token --output /root/by-hand.tok
guest sh /root/files/license-linux.sh --token /root/by-hand.tok
cmp /root/by-hand.tok /root/guest/etc/ClientConfigToken/*.tok

say 'backup, remove, install, restore'
"$installer" license backup /root/backup.tar
ls -ln /root/backup.tar
tar -tf /root/backup.tar
if "$installer" license backup /root/backup.tar; then exit 1; fi
"$installer" license remove --discard --yes
test ! -e /var/lib/vgpu-offline-license/cert
test ! -e /etc/systemd/system/vgpu-offline-license.service
if systemctl is-active vgpu-offline-license.service; then exit 1; fi
"$installer" license install /mnt/bundle.vgpu.tar --address 192.0.2.10 --accept-notice --yes
if cmp /root/old-root.crt /var/lib/vgpu-offline-license/web/root.crt; then exit 1; fi
if "$installer" license restore /root/backup.tar --yes; then exit 1; fi
"$installer" license restore /root/backup.tar --replace --yes
cmp /root/old-root.crt /var/lib/vgpu-offline-license/web/root.crt
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do "$installer" license status && break; sleep 2; done
"$installer" license status
python3 /root/verify.py /root/old.tok
guest sh /root/files/license-linux.sh

say 'the reboot'
"$installer" status
