#! /bin/sh
# makeself.sh FOLDER FILE VERSION: packs FOLDER into FILE, a self-extracting package.
#
# Part of a stand-in for tests; not NVIDIA's.
set -e
folder=$1
file=$2
version=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

printf 'exec gzip -dc\n' >"$work/decompress"
lines=$(wc -l <"$folder/stub.sh")
sed -e "s/@SKIP@/$((lines + 2))/" -e "s/@SKIP_DECOMPRESS@/$((lines + 1))/" \
    -e "s/@SIZE_DECOMPRESS@/1/" -e "s/@COMPRESSION@/gzip/" -e "s/@VERSION@/$version/" \
    -e "s/@TARGETDIR@/${folder##*/}/" "$folder/stub.sh" >"$work/stub"
tail -n +4 "$work/stub" >"$work/body"
cat "$work/decompress" >>"$work/body"
tar -C "$folder" -cf - . | gzip -9n >>"$work/body"
md5=$(md5sum <"$work/body" | cut -c 1-32)
crc=$(cksum <"$work/body" | cut -d ' ' -f 1)
head -n 3 "$work/stub" | sed -e "s/@CRC@/$crc/" -e "s/@MD5@/$md5/" >"$file"
cat "$work/body" >>"$file"
chmod 755 "$file"
