# A key of small order, for which one signature holds over every message.
. "${0%/*}/../lib.sh"

unpack
zeros() { head -c "$1" /dev/zero; }
point() { printf '\001' && zeros 31; }
string() { printf '\0\0\0\013%s' "$1"; }
{
    printf 'SSHSIG\0\0\0\1\0\0\0\063' && string ssh-ed25519 && printf '\0\0\0\040' && point
    string vgpu-bundle && zeros 4 && printf '\0\0\0\6sha512'
    printf '\0\0\0\123' && string ssh-ed25519 && printf '\0\0\0\100' && point && zeros 32
} | armor | slot 1
pack
