# A security key has signed without being touched; the flags in its signature say so.
. "${0%/*}/../lib.sh"

unpack
string() {
    printf "\\0\\0\\0\\$(printf %o ${#1})%s" "$1"
}
{
    printf 'SSHSIG\0\0\0\1\0\0\0\112' && string sk-ssh-ed25519@openssh.com && printf '\0\0\0\040'
    cut -d ' ' -f 2 "$key.pub" | base64 -d | tail -c 32
    string ssh:
    string vgpu-bundle && printf '\0\0\0\0' && string sha512
    printf '\0\0\0\147' && string sk-ssh-ed25519@openssh.com && printf '\0\0\0\100'
    head -c 64 /dev/zero && printf '\0\0\0\0\7'
} | armor | slot 1
pack
