#! /bin/sh
CRCsum=@CRC@
MD5=@MD5@
skip=@SKIP@
skip_decompress=@SKIP_DECOMPRESS@
size_decompress=@SIZE_DECOMPRESS@
label="Stand-in for a driver package, Linux-x86_64 @VERSION@ (made for tests, drives nothing)"
version_string=@VERSION@
pkg_version=
script=./nvidia-installer
targetdir=@TARGETDIR@
scriptargs=""
keep=n
add_this_kernel=n
apply_patch=
TMPROOT=${TMPDIR:-/tmp}
TARGET_OS="Linux"
TARGET_ARCH="x86_64"

# A stand-in for tests. It has the structure and the options of an NVIDIA package, but contains no
# code from NVIDIA, and its driver drives no hardware.

mode=run
target=

usage() {
    cat <<END
$label

usage: sh $0 [OPTION]... [OPTION OF THE INSTALLER]...

  -h, --help              these lines
  -A, --advanced-options  these lines, and then those of the installer
  --info                  what the package says of itself
  --lsm                   one line on what it is
  --pkg-history           what was done to it
  --list                  the files in it
  --check                 compare its checksums
  -x, --extract-only      unpack it and do nothing else
  --target DIR            unpack into DIR
  --keep                  leave the unpacked files where they are
  --tmpdir DIR            use DIR for temporary files
  --add-this-kernel       not in this stand-in
  --apply-patch FILE      apply FILE with patch -p0, and write a new package
  --extract-decompress    write the decompressor to standard output
END
}

die() {
    echo "$0: $*" >&2
    exit 1
}

# Prints everything from line 4 to the end.
body() {
    tail -n +4 "$0"
}

check() {
    test -z "$SETUP_NOCHECK" || return 0
    found=$(body | md5sum | cut -c 1-32)
    test "$found" = "$MD5" || die "MD5 is $found, but should be $MD5"
    found=$(body | cksum | cut -d ' ' -f 1)
    test "$found" = "$CRCsum" || die "CRC is $found, but should be $CRCsum"
}

decompressor() {
    tail -n +"$skip_decompress" "$0" | head -n "$size_decompress"
}

payload() {
    tail -n +"$skip" "$0" | sh -c "$(decompressor)"
}

unpack() {
    mkdir -p "$1" || die "cannot create $1"
    payload | (cd "$1" && tar -xpf -) || die "cannot unpack into $1"
}

while test $# -gt 0; do
    case "$1" in
    -h | --help) usage; exit 0 ;;
    -A | --advanced-options) mode=advanced; shift ;;
    --info) mode=info; shift ;;
    --lsm) echo "$label"; exit 0 ;;
    --pkg-history) mode=history; shift ;;
    --list) payload | tar -tf -; exit $? ;;
    --check) mode=check; shift ;;
    -x | --extract-only) mode=extract; shift ;;
    --target) target=$2; keep=y; shift 2 || die "--target needs a folder" ;;
    --target=*) target=${1#--target=}; keep=y; shift ;;
    --keep) keep=y; shift ;;
    --tmpdir) TMPROOT=$2; shift 2 || die "--tmpdir needs a folder" ;;
    --tmpdir=*) TMPROOT=${1#--tmpdir=}; shift ;;
    --add-this-kernel) die "this stand-in cannot add kernels" ;;
    --apply-patch) mode=patch; apply_patch=$2; shift 2 || die "--apply-patch needs a file" ;;
    --apply-patch=*) mode=patch; apply_patch=${1#--apply-patch=}; shift ;;
    --extract-decompress) decompressor; exit 0 ;;
    --label) echo "$label"; exit 0 ;;
    --version-string) echo "$version_string"; exit 0 ;;
    --pkg-version) echo "$pkg_version"; exit 0 ;;
    --target-os) echo "$TARGET_OS"; exit 0 ;;
    --target-arch) echo "$TARGET_ARCH"; exit 0 ;;
    --target-directory) echo "$targetdir"; exit 0 ;;
    --script) echo "$script"; exit 0 ;;
    *) break ;;
    esac
done

case "$mode" in
info)
    echo "label: $label"
    echo "version: $version_string"
    echo "folder: $targetdir"
    echo "installer: $script $scriptargs"
    echo "compression: @COMPRESSION@"
    exit 0
    ;;
check)
    check
    echo "the checksums are right"
    exit 0
    ;;
history)
    payload | tar -xOf - ./pkg-history.txt
    exit $?
    ;;
extract)
    check
    folder=${target:-./$targetdir}
    test ! -e "$folder" || die "$folder is there already"
    unpack "$folder"
    echo "unpacked into $folder"
    exit 0
    ;;
patch)
    check
    case "$apply_patch" in
    /*) ;;
    *) apply_patch=$PWD/$apply_patch ;;
    esac
    test -r "$apply_patch" || die "cannot read $apply_patch"
    work=$TMPROOT/selfgz$$
    trap 'rm -rf "$work"' EXIT
    unpack "$work/$targetdir"
    (cd "$work/$targetdir" && patch -p0 <"$apply_patch") || die "the patch does not apply"
    mv "$work/$targetdir" "$work/$targetdir-custom"
    echo "patched with ${apply_patch##*/}" >>"$work/$targetdir-custom/pkg-history.txt"
    sh "$work/$targetdir-custom/makeself.sh" "$work/$targetdir-custom" "$targetdir-custom.run" \
        "$version_string" || die "cannot pack it again"
    echo "wrote $targetdir-custom.run"
    exit 0
    ;;
esac

check
folder=${target:-$TMPROOT/selfgz$$/$targetdir}
test "$keep" = y || trap 'rm -rf "$TMPROOT/selfgz$$"' EXIT
unpack "$folder"
cd "$folder" || die "cannot enter $folder"
if test "$mode" = advanced; then
    usage
    set -- --help
fi
$script $scriptargs "$@"
exit $?
