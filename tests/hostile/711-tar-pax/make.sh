# The archive is in the format of POSIX 2001, with a header for each member.
. "${0%/*}/../lib.sh"

unpack
format=posix pack --pax-option=comment:=evil
