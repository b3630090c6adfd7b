#!/bin/sh
# Installs the vGPU license token in this guest. The license server is
#     @SERVER@
# Run as root in a Linux guest that has NVIDIA's guest driver:
#     sh license-linux.sh                  fetch the token from the server
#     sh license-linux.sh --token FILE     install the token from a file: no network needed
#     … --feature-type N                   also set FeatureType in /etc/nvidia/gridd.conf
# The server is trusted only by its own root certificate below.
set -eu

url='@URL@'
feature='@FEATURE@'
file=''
beside='@TOKEN@'
folder=/etc/nvidia/ClientConfigToken
config=/etc/nvidia/gridd.conf

fail() {
    printf 'license: %s\n' "$*" >&2
    exit 1
}

while [ $# -gt 0 ]; do
    case $1 in
    --token) [ $# -ge 2 ] || fail '--token needs a file'; file=$2; shift 2 ;;
    --feature-type) [ $# -ge 2 ] || fail '--feature-type needs a number'; feature=$2; shift 2 ;;
    *) fail "unknown argument: $1 (supported: --token FILE, --feature-type N)" ;;
    esac
done
case $feature in
'' | 0 | 1 | 2 | 4) ;;
*) fail "FeatureType must be 0, 1 (vGPU), 2 (RTX virtual workstation) or 4 (compute), not $feature" ;;
esac
[ "$(id -u)" = 0 ] || fail 'run this script as root'
[ -n "$file" ] || [ -z "$beside" ] || file=$(dirname -- "$0")/$beside

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/root.crt" <<'CERTIFICATE'
@ROOT@CERTIFICATE

if [ -n "$file" ]; then
    cp -- "$file" "$work/token" || fail "cannot read $file"
elif command -v curl >/dev/null 2>&1; then
    curl --silent --show-error --fail --max-time 30 --noproxy '*' --cacert "$work/root.crt" \
        --output "$work/token" "$url/-/client-token" ||
        fail "no token from $url; pass a token file instead: --token FILE"
elif command -v wget >/dev/null 2>&1; then
    wget --quiet --no-proxy --timeout=30 --tries=1 --ca-certificate="$work/root.crt" \
        --output-document="$work/token" "$url/-/client-token" ||
        fail "no token from $url; pass a token file instead: --token FILE"
else
    fail 'neither curl nor wget is installed; pass a token file: --token FILE'
fi

# A token is three base64url parts with dots between them. Check this before it replaces a token.
tr -d '\r\n' <"$work/token" | grep -Eqx '[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+' ||
    fail 'the text is not a token; the existing token is unchanged'

mkdir -p "$folder"
name="client_configuration_token_$(date +%d-%m-%Y-%H-%M-%S).tok"
cp "$work/token" "$folder/.$name.new"
chmod 0644 "$folder/.$name.new"
# Several tokens confuse the driver, so remove the old ones.
rm -f "$folder"/*.tok
mv "$folder/.$name.new" "$folder/$name"
sync
printf 'license: installed %s\n' "$folder/$name"

if [ -n "$feature" ]; then
    if [ -e "$config" ]; then
        grep -v '^[[:space:]]*FeatureType[[:space:]]*=' "$config" >"$work/config" || true
    else
        : >"$work/config"
    fi
    printf 'FeatureType=%s\n' "$feature" >>"$work/config"
    cp "$work/config" "$config.new"
    chmod 0644 "$config.new"
    mv "$config.new" "$config"
    printf 'license: FeatureType=%s in %s\n' "$feature" "$config"
fi

systemctl restart nvidia-gridd || fail 'nvidia-gridd does not start; run `journalctl -u nvidia-gridd` for the reason'
tries=0
while [ $tries -lt 30 ]; do
    state=$(nvidia-smi -q 2>/dev/null | grep -i 'license status' || true)
    case $state in
    *Unlicensed*) ;;
    *Licensed*)
        printf '%s\n' "$state"
        exit 0
        ;;
    esac
    tries=$((tries + 1))
    sleep 2
done
printf '%s\n' "${state:-nvidia-smi reports no license status}"
fail 'no license after a minute: run `journalctl -u nvidia-gridd` for the reason; the clocks of guest and server must agree'
