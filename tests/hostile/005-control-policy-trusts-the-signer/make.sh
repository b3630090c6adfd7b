# Nothing is wrong: the bundle brings the policy that trusts its only signer.
. "${0%/*}/../lib.sh"

unpack
document 2 alice alice-2 reporter | endorse alice >chain
newlines 4096 >m/SIGNATURES
key=$keys/reporter
bring <chain
