# The bundle brings two policies, and the one between them is missing.
. "${0%/*}/../lib.sh"

unpack
{
    document 2 alice bob | endorse alice
    document 4 alice bob | endorse alice
} >chain
bring <chain
