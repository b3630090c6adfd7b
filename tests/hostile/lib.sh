# What the scripts of the hostile collection share. Each begins with `. "${0%/*}/../lib.sh"` and
# is called as
#
#     sh make.sh GOOD KEY OUT
#
# in an empty folder, which it may fill. GOOD is a bundle, KEY the private key that signed it, and
# OUT the bundle to make. Beside KEY lie the private keys `alice-2` (of the same principal as KEY),
# `bob` (of another one), `reporter` (who may sign reports only) and `revoked`. All paths are
# absolute. Only tar, ssh-keygen, dd, od, awk and the like are used, so any attacker could make the
# same bundles.
#
# shellcheck shell=sh disable=SC2034,SC2046

set -eu
export LC_ALL=C
umask 022
good=$1 key=$2 out=$3
keys=${key%/*}
created=1700000000

# Say why the fault could not be made.
fail() {
    echo "$*" >&2
    exit 1
}

# Take the bundle apart: its members become files under m/, their names stand in `names`.
unpack() {
    tar -tf "$good" >names
    mkdir m
    tar -xf "$good" -C m
}

# The names of the members that are signed: the manifest and the payload.
signed() {
    sed 1,2d names
}

# replace OLD NEW [FILE]: in the manifest, or FILE, every OLD becomes NEW, byte for byte.
replace() {
    OLD=$1 NEW=$2 awk '
        BEGIN { old = ENVIRON["OLD"]; new = ENVIRON["NEW"] }
        {
            line = ""
            while (at = index($0, old)) {
                line = line substr($0, 1, at - 1) new
                $0 = substr($0, at + length(old))
                count++
            }
            print line $0
        }
        END { exit !count }
    ' "${3:-m/MANIFEST.json}" >replaced || fail "there is no '$1' to replace"
    mv replaced "${3:-m/MANIFEST.json}"
}

# Write the manifest in one line, for a fault that spans several.
flatten() {
    sed 's/^ *//' m/MANIFEST.json | tr -d '\n' | sed 's/": /":/g' >flat
    mv flat m/MANIFEST.json
}

# Write SHA256SUMS anew, as it must be for the files that are there.
sums() {
    (cd m && sha256sum $(sed 1,2d ../names) >SHA256SUMS)
}

# signature [KEY [OPTION...]]: what ssh-keygen signs, by default SHA256SUMS for a bundle.
signature() {
    by=${1:-$key}
    [ $# = 0 ] || shift
    ssh-keygen -q -Y sign -f "$by" -n "${namespace:-vgpu-bundle}" "$@" <"${message:-m/SHA256SUMS}"
}

newlines() {
    head -c "$1" /dev/zero | tr '\0' '\n'
}

# slot NUMBER: standard input and newlines become that slot, counted from one.
slot() {
    { cat; newlines 512; } | head -c 512 |
        dd of=m/SIGNATURES bs=512 seek=$(($1 - 1)) conv=notrunc iflag=fullblock status=none
}

# Sign what is there in the first slot.
sign() {
    signature >signature
    slot 1 <signature
}

# Make sums and signature fit the files again, and pack them.
finish() {
    sums
    sign
    pack
}

# pack [OPTION...]: make the bundle of the files.
pack() {
    (
        cd m
        tar --format="${format:-ustar}" -b1 --no-recursion --owner=0 --group=0 --numeric-owner \
            --mtime="@$created" "$@" -cf "$out" $(cat ../names)
    )
}

# add NAME [JSON]: the file m/NAME becomes the first item of the payload, with these further fields.
add() {
    size=$(wc -c <"m/$1")
    digest=$(sha256sum <"m/$1" | cut -c 1-64)
    item="{\"name\":\"$1\",\"size\":$size,\"mode\":\"0644\",\"sha256\":\"$digest\",\"origin\":{\"kind\":\"file\"}${2:-}}"
    replace '"items": [' "\"items\": [$item,"
    sed "3a\\$1" names >more
    mv more names
}

# base: the JSON that names the good bundle as the one that has a payload.
base() {
    root=$(tar -xOf "$good" SHA256SUMS | sha256sum | cut -c 1-64)
    echo "{\"name\":\"sample\",\"sequence\":1,\"digest\":\"$root\"}"
}

# leave_out NAME [JSON]: the manifest leaves the payload of the item to the good bundle, or to JSON.
leave_out() {
    replace "\"name\": \"$1\"," "\"base\": ${2:-$(base)}, \"name\": \"$1\","
    grep -vx "$1" names >fewer
    mv fewer names
}

# misname JSON NAME: an item is called NAME, which is JSON in the manifest, everywhere, and all
# is correctly signed.
misname() {
    unpack
    replace '"conf/profiles.conf"' "\"$1\""
    sums
    replace '  conf/profiles.conf' "  $2" m/SHA256SUMS
    sign
    pack
    { printf %s "$2" && head -c 100 /dev/zero; } | head -c 100 | header conf/profiles.conf 0
}

# misstate OLD NEW: the manifest says NEW instead of OLD, and is correctly signed.
misstate() {
    unpack
    replace "$1" "$2"
    finish
}

# misroot: SHA256SUMS becomes what standard input says, and is correctly signed.
misroot() {
    cat >m/SHA256SUMS.new
    mv m/SHA256SUMS.new m/SHA256SUMS
    sign
    pack
}

# at NAME: where in the bundle the header of the member begins, in bytes.
at() {
    block=$(tar --quoting-style=literal -tRf "$out" | sed -n "s|^block \([0-9]*\): $1\$|\1|p" | head -n 1)
    [ -n "$block" ] || fail "there is no member '$1'"
    echo $((block * 512))
}

# poke AT: overwrite bytes of the bundle with standard input.
poke() {
    dd of="$out" bs=512 seek="$1" oflag=seek_bytes conv=notrunc iflag=fullblock status=none
}

# header NAME OFFSET: overwrite bytes of the member's header with standard input, and correct its
# checksum, so that tar does not object.
header() {
    start=$(at "$1")
    poke $((start + $2))
    printf '        ' | poke $((start + 148))
    sum=$(dd if="$out" bs=512 skip=$((start / 512)) count=1 status=none | od -An -v -tu1 |
        awk '{ for (i = 1; i <= NF; i++) sum += $i } END { print sum }')
    printf '%06o\0 ' "$sum" | poke $((start + 148))
}

# see PATTERN: tar must see in the bundle what was meant to be there.
see() {
    tar -tvf "$out" >listing 2>&1 || :
    grep -q -e "$1" listing || fail "tar does not see '$1': $(cat listing)"
}

# binary: the bytes in the armor on standard input. armor [COLUMNS]: the way back.
binary() {
    sed '1d;$d' | base64 -d
}
armor() {
    echo '-----BEGIN SSH SIGNATURE-----'
    base64 -w "${1:-70}"
    echo '-----END SSH SIGNATURE-----'
}

# document VERSION NAME...: a policy that trusts these keys, each as its own principal. All nodes
# start with version 1, which trusts alice, bob and old, whose key is revoked.
document() {
    printf 'version = %s\nthreshold = %s\nchannels = ["stable"]\n' "$1" "${threshold:-1}"
    shift
    echo "signers = '''"
    for name; do
        echo "$name namespaces=\"vgpu-bundle,vgpu-policy\" $(cut -d ' ' -f 1,2 "$keys/$name.pub")"
    done
    echo "'''"
    echo "revoked = '''"
    [ -n "${forgiving:-}" ] || cut -d ' ' -f 1,2 "$keys/revoked.pub"
    echo "'''"
}

# endorse KEY...: standard input is a policy; print it with the signatures of these keys.
endorse() {
    cat >document
    cat document
    for by; do
        namespace=vgpu-policy message=document signature "$keys/$by"
    done
}

# bring: standard input are the signed policies of the bundle, which is then signed by KEY.
bring() {
    cat >m/policies
    add policies ',"kind":{"policies":{}}'
    finish
}
