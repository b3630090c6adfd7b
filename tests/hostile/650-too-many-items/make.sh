# There is one item more than a reader handles.
. "${0%/*}/../lib.sh"

unpack
flatten
digest=$(sha256sum <m/empty | cut -c 1-64)
awk -v digest="$digest" '
    {
        printf "%s\"items\":[", substr($0, 1, index($0, "\"items\":[") - 1)
        for (i = 0; i < 4097; i++) {
            printf "%s{\"name\":\"i%d\",\"size\":0,\"mode\":\"0644\",\"sha256\":\"%s\",\"origin\":{\"kind\":\"file\"}}", i ? "," : "", i, digest
        }
        print "]}"
    }' m/MANIFEST.json >flat
mv flat m/MANIFEST.json
finish
