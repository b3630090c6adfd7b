# A patch is for a driver that the bundle does not have.
. "${0%/*}/../lib.sh"

misstate '"size": 20' '"size": 20, "kind": {"patch": {"driver": "conf/none", "file": []}}'
