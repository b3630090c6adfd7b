#!/bin/sh
# Writes a small corpus for each target: tests/fuzz/corpus/TARGET/*, a few KiB each.
#
#   cargo build --bin demo && tests/fuzz/seeds.sh
#
# The programs make what they can (a lock, an inventory, plans, the rows of a journal); ssh-keygen, tar
# and diff make the rest. Files of an earlier run stay, as the fuzzer has added to them.
set -eu
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
repo=$here/../..
demo=${1:-$repo/target/debug/demo}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/bin" "$work/home" "$work/root/etc" "$work/root/proc"
for program in vgpu-bundler vgpu-installer; do ln -s "$demo" "$work/bin/$program"; done
export PATH="$work/bin:$PATH" HOME="$work/home"
export XDG_CONFIG_HOME="$work/config" XDG_CACHE_HOME="$work/cache"
cd "$work"

# seed TARGET NAME: standard input is a seed.
seed() {
    mkdir -p "$here/corpus/$1"
    cat >"$here/corpus/$1/$2"
}

# A recipe, its lock and bundle, and a node that has applied it.
echo 'some = "text"' >a.conf
cat >bundle.toml <<'RECIPE'
[bundle]
name = "seed"
channel = "stable"
[[file]]
name = "etc/a.conf"
path = "a.conf"
[host]
iommu = "on"
modules = ["vfio"]
kernel-words = ["quiet"]
[[host.file]]
item = "etc/a.conf"
path = "/etc/a.conf"
RECIPE
seed recipe small <bundle.toml
seed recipe demo <"$repo/tests/it/kill/bundle.toml"
vgpu-bundler --quiet key generate --principal alice --no-passphrase >/dev/null
vgpu-bundler --quiet build >/dev/null
bundle=seed-1.vgpu.tar
seed lock small <bundle.lock
tar -xOf "$bundle" MANIFEST.json | seed manifest small
tar -xOf "$bundle" catalog.sqlite | seed catalog whole

echo 'vendor_id : GenuineIntel' >root/proc/cpuinfo
printf 'ID=debian\nVERSION_CODENAME=bookworm\n' >root/etc/os-release
installer() { vgpu-installer --root "$work/root" "$@"; }
installer inventory --json 2>/dev/null | seed inventory small
public=$(cut -d ' ' -f 1,2 "$work"/config/vgpu-offline/*.pub)
echo "$public" >alice.pub
fingerprint=$(ssh-keygen -lf alice.pub | cut -d ' ' -f 2)
installer trust add alice.pub --principal alice --fingerprint "$fingerprint" 2>/dev/null
seed policy small <root/etc/vgpu-offline/policy.toml
installer plan --output plan.json "$bundle" >/dev/null 2>&1
seed reviewed_plan small <plan.json
installer apply --yes "$bundle" >/dev/null 2>&1 || test $? = 10 # done, and a reboot is needed
journal=root/var/lib/vgpu-offline/journal.db
sqlite3 "$journal" 'SELECT plan FROM tx' | seed plan small
for entry in $(sqlite3 "$journal" 'SELECT id FROM entry'); do
    sqlite3 -newline '' -separator '
' "$journal" "SELECT tx.bundle, tx.plan, tx.boot, tx.state, tx.kept, tx.removed, '', entry.change,
        coalesce(entry.state, ''), entry.component, '\"initramfs\"'
        FROM tx, entry WHERE entry.id = $entry" | seed journal_rows "$entry"
done

# Keys and signatures.
printf 'alice namespaces="vgpu-bundle,vgpu-policy" %s\n' "$public" | seed allowed_signers line
echo "$public" | seed allowed_signers revoked
ssh-keygen -q -t ed25519 -N '' -C seed -f key
seed key_file plain <key
ssh-keygen -q -t ed25519 -N secret -C seed -f sealed
seed key_file sealed <sealed
echo message | ssh-keygen -q -Y sign -f key -n vgpu-bundle >signature 2>/dev/null
seed sshsig one <signature
{ cat signature; yes '' | head -c 4096; } | head -c 512 | seed sshsig slot

# A bundle of one item; the target signs it.
mkdir m
printf x >m/a
digest=$(sha256sum m/a | cut -c 1-64)
yes '' | head -c 4096 >m/SIGNATURES
cat >m/MANIFEST.json <<MANIFEST
{"format":1,"needs":"0.1.0","made-by":"0.1.0","name":"seed","channel":"stable","sequence":1,"created":1,
"wants":{"modules":["vfio"],"file":[{"item":"a","path":"/etc/a"}]},
"items":[{"name":"a","size":1,"mode":"0644","sha256":"$digest","origin":{"kind":"file"}}]}
MANIFEST
seed manifest file <m/MANIFEST.json
(
    cd m
    sha256sum MANIFEST.json a >SHA256SUMS
    tar --format=ustar -b1 --owner=0 --group=0 --numeric-owner --mode=0644 --mtime=@1 -cf - \
        SIGNATURES SHA256SUMS MANIFEST.json a
) | seed container one-item

# Drivers.
cat >head <<'HEAD'
#!/bin/sh
# CRCsum="1234567890" MD5="0123456789abcdef0123456789abcdef"
# TMPROOT=/tmp
label="NVIDIA Accelerated Graphics Driver for Linux-x86_64 535.161.05"
version_string=535.161.05
pkg_version=535.161.05
target_os="Linux"
target_arch="x86_64"
targetdir="NVIDIA-Linux-x86_64-535.161.05-vgpu-kvm"
skip=12
skip_decompress=
exit 0
HEAD
seed driver_header script <head
mkdir -p d/kernel
echo 'int x;' >d/kernel/a.c
cat >d/vgpuConfig.xml <<'XML'
<vgpuconfig><version>1.0</version>
<vgpuType id="11" name="GRID M60-0B" class="NVS"><framebuffer>0x1A000000</framebuffer><numHeads>2</numHeads>
<display width="2560" height="1600"/></vgpuType>
<pgpu><devId vendorId="0x10de" deviceId="0x13F2" subsystemVendorId="0x10de" subsystemId="0x0"/>
<supportedVgpu vgpuId="11"><maxVgpus>16</maxVgpus></supportedVgpu></pgpu></vgpuconfig>
XML
seed vgpu_config small <d/vgpuConfig.xml
tar -C d -cf d.tar .
for packer in gzip xz zstd; do
    "$packer" -c d.tar | seed driver_payload "$packer"
    { cat head && "$packer" -c d.tar; } | seed driver_header "$packer"
done

# Diffs: the old file, a NUL byte, the diff.
seq 20 >old
sed 's/^7$/seven/; 15d' old >new
for context in 1 3; do
    { cat old && printf '\0' && diff -U "$context" --label a/file --label b/file old new; } |
        seed patch "context-$context" || :
done
{ printf '\0' && diff -u --label /dev/null --label b/file /dev/null new; } | seed patch created || :

# Archives.
cat >release <<RELEASE
Origin: Debian
Suite: stable
Codename: bookworm
Date: Sat, 10 Jan 2026 10:31:22 UTC
Valid-Until: Sat, 17 Jan 2026 10:31:22 UTC
Acquire-By-Hash: yes
Architectures: all amd64
SHA256:
 $digest 1 main/binary-amd64/Packages.xz
RELEASE
seed release text <release
{
    printf -- '-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n'
    cat release
    printf -- '-----BEGIN PGP SIGNATURE-----\n\nabcd\n-----END PGP SIGNATURE-----\n'
} | seed release inline
keyring=/usr/share/keyrings/debian-archive-bookworm-stable.gpg
[ ! -e "$keyring" ] || seed openpgp keyring <"$keyring"
printf -- '-----BEGIN PGP SIGNATURE-----\n\nwjMEAA==\n-----END PGP SIGNATURE-----\n' | seed openpgp armor
empty=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
printf 'Package: other\nArchitecture: all\n\nPackage: dkms\nVersion: 1.0\nArchitecture: all\nDepends: make\nSHA256: %s\nSize: 0\n' \
    "$empty" | seed deb822 index
printf 'Package: make\nStatus: install ok installed\nVersion: 4.3-4.1\nArchitecture: amd64\nAuto-Installed: 1\n' |
    seed deb822 status
printf 'deb [arch=amd64 signed-by=/a.gpg] http://deb.example/debian bookworm main\n' | seed deb822 sources
printf '1:1.2-3\n1.10~rc1-1+b2' | seed deb_version pair
printf '2.0~beta\n2.0' | seed deb_version tilde
printf 'Inst dkms [3.0-1] (3.0.10-8 bookworm [all])\nConf dkms (3.0.10-8 bookworm [all])\nRemv old [1.0]\n' |
    seed apt_simulation lines

# Container images.
printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":2},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:%s","size":1}]}' \
    "$digest" "$digest" | seed oci_document manifest
printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":9,"platform":{"os":"linux","architecture":"amd64"}}]}' \
    "$digest" | seed oci_document index
mkdir image && printf '[]' | tee image/manifest.json >image/index.json
printf 'layer' >image/a && ln -s ./a image/l
for format in ustar gnu pax; do
    tar -C image --format "$format" -cf - index.json manifest.json a l | seed image_archive "$format"
done

ls "$here/corpus" | wc -l | sed 's/$/ targets have seeds/'
