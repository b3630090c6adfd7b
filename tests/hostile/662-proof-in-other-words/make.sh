# A module of a proof has a state that no reader knows.
. "${0%/*}/../lib.sh"

misstate '"items": [' '"proof": [{"kernel": "6.8.12-9-pve", "driver": "535.230.02", "inputs": "0000000000000000000000000000000000000000000000000000000000000000", "compiler": "gcc", "log": "0000000000000000000000000000000000000000000000000000000000000000", "module": [{"name": "nvidia", "sha256": "0000000000000000000000000000000000000000000000000000000000000000", "signature": "approved"}]}], "items": ['
