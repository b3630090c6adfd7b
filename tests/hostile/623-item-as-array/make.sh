# An item is an array of the right values instead of an object with names.
. "${0%/*}/../lib.sh"

unpack
digest=$(sha256sum <m/empty | cut -c 1-64)
flatten
replace "{\"name\":\"empty\",\"size\":0,\"mode\":\"0644\",\"sha256\":\"$digest\",\"origin\":{\"kind\":\"file\"}}" \
    "[\"empty\",0,\"0644\",\"$digest\",[],{\"tree\":{\"unpacked\":1,\"window-log\":20}},{\"kind\":\"file\"}]"
finish
