# The trusted key has signed the list as any file, as for an e-mail.
. "${0%/*}/../lib.sh"

unpack
namespace=file
sign
pack
