"""Whether a token is signed by what the service has now: its chain, and the chain by its root."""

import base64
import json
import subprocess
import sys

CERT = "/var/lib/vgpu-offline-license/cert/"


def plain(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def openssl(*words, data=None):
    return subprocess.run(["openssl", *words], input=data, check=True, capture_output=True).stdout


token = open(sys.argv[1]).read()
text, signature = token.rsplit(".", 1)
head, _ = text.split(".")
pem = [
    "-----BEGIN CERTIFICATE-----\n" + part + "\n-----END CERTIFICATE-----\n"
    for part in json.loads(plain(head))["x5c"]
]
for name, content in zip(["/tmp/si.pem", "/tmp/ca.pem"], pem):
    open(name, "w").write(content)
openssl("verify", "-CAfile", CERT + "root_certificate.pem", "-untrusted", "/tmp/ca.pem", "/tmp/si.pem")
open("/tmp/key.pem", "wb").write(openssl("x509", "-in", "/tmp/si.pem", "-noout", "-pubkey"))
open("/tmp/signature", "wb").write(plain(signature))
openssl("dgst", "-sha256", "-verify", "/tmp/key.pem", "-signature", "/tmp/signature", data=text.encode())
print("the old token is signed by the present service")
