# The bundle brings two policies, the newer one first.
. "${0%/*}/../lib.sh"

unpack
{
    document 3 alice bob | endorse alice
    document 2 alice bob | endorse alice
} >chain
bring <chain
