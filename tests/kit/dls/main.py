"""A stand-in for FastAPI-DLS, for tests. It licenses nothing.

It has the interface of the real server that the programs use: ports, paths, environment, the
certificates that it needs and creates, and the addresses below. The file GENERATION next to it
selects the behavior of version 1 or version 2. Written for these tests from a description.
"""

import base64
import datetime
import http.server
import json
import os
import pathlib
import signal
import sqlite3
import ssl
import subprocess
import threading
import time
import uuid

APP = pathlib.Path(__file__).resolve().parent
GENERATION = (APP / "GENERATION").read_text().strip()
CERT = pathlib.Path(os.environ.get("CERT_PATH") or APP / "cert")
URL = os.environ.get("DLS_URL", "localhost")
PORT = int(os.environ.get("DLS_PORT", "443"))
LEASE_DAYS = min(int(os.environ.get("LEASE_EXPIRE_DAYS", "90")), 90)
DATABASE = os.environ.get("DATABASE", f"sqlite:///{APP}/database/db.sqlite")
TOKEN_YEARS = 12
CHAIN_DAYS = 3650

# The certificate chain of version 2: name, issuer, key length in bits.
CHAIN = [("root", None, 4096), ("ca", "root", 4096), ("si", "ca", 2048)]

OPENSSL_CONF = """[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
[instance]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
"""


def openssl(*arguments, data=None):
    done = subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True)
    if done.returncode != 0:
        raise SystemExit(f"openssl {arguments[0]}: {done.stderr.decode()}")
    return done.stdout


def private(name):
    return CERT / f"{name}_private_key.pem"


def certificate(name):
    return CERT / f"{name}_certificate.pem"


def make_chain():
    """Create the signing chain of version 2, unless it exists."""
    conf = CERT / ".openssl.cnf"
    for name, issuer, bits in CHAIN:
        if certificate(name).exists():
            continue
        conf.write_text(OPENSSL_CONF)
        private(name).write_bytes(b"")
        private(name).chmod(0o600)
        private(name).write_bytes(openssl("genrsa", bits))
        kind = "instance" if name == "si" else "authority"
        words = ["req", "-new", "-x509", "-config", conf, "-extensions", kind, "-days", CHAIN_DAYS]
        words += ["-subj", f"/CN=stand-in {name}", "-key", private(name), "-sha256"]
        if issuer:
            request = openssl(*words[:2], *words[3:5], *words[9:])
            words = ["x509", "-req", "-CA", certificate(issuer), "-CAkey", private(issuer)]
            words += ["-set_serial", uuid.uuid4().int >> 64, "-days", CHAIN_DAYS, "-sha256"]
            words += ["-extfile", conf, "-extensions", kind]
            certificate(name).write_bytes(openssl(*words, data=request))
        else:
            certificate(name).write_bytes(openssl(*words))
        conf.unlink()


def prepare():
    """Find the signing key of tokens; create it in version 2."""
    if GENERATION == "1":
        for name in ["instance.private.pem", "instance.public.pem"]:
            if not (CERT / name).exists():
                raise SystemExit(f"{CERT / name} is not there")
    else:
        make_chain()
    path = pathlib.Path(DATABASE.removeprefix("sqlite:///"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE IF NOT EXISTS origin (ref TEXT PRIMARY KEY, host TEXT)")
        database.execute(
            "CREATE TABLE IF NOT EXISTS lease"
            " (ref TEXT PRIMARY KEY, origin TEXT, created REAL, expires REAL)"
        )
    return path


def plain(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def der(path):
    lines = path.read_text().splitlines()
    return "".join(line for line in lines if not line.startswith("-----"))


def token():
    """Return a JSON web token, signed with RSA and SHA-256, with the address of this service."""
    head = {"alg": "RS256", "typ": "JWT"}
    key = CERT / "instance.private.pem"
    if GENERATION != "1":
        head["x5c"] = [der(certificate("si")), der(certificate("ca"))]
        key = private("si")
    now = int(time.time())
    body = {
        "jti": str(uuid.uuid4()),
        "iat": now,
        "nbf": now,
        "exp": now + TOKEN_YEARS * 365 * 24 * 3600,
        "service": {"url": URL, "port": PORT},
    }
    text = b".".join(plain(json.dumps(part).encode()) for part in [head, body])
    return text + b"." + plain(openssl("dgst", "-sha256", "-sign", key, data=text))


class Handler(http.server.BaseHTTPRequestHandler):
    server_version = "stand-in"
    database = None

    def answer(self, code, body, kind="application/json", **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def rows(self, table):
        with sqlite3.connect(self.database) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(f"SELECT * FROM {table} ORDER BY ref")]

    def do_GET(self):
        if self.path == "/-/health":
            self.answer(200, {"status": "up"})
        elif self.path == "/-/config":
            self.answer(200, {"DLS_URL": URL, "DLS_PORT": PORT, "LEASE_EXPIRE_DAYS": LEASE_DAYS})
        elif self.path == "/-/client-token":
            now = datetime.datetime.now().strftime("%d-%m-%Y-%H-%M-%S")
            name = f"attachment; filename=client_configuration_token_{now}.tok"
            self.answer(200, token(), "application/octet-stream", Content_Disposition=name)
        elif self.path == "/-/config/root-certificate" and GENERATION != "1":
            root = certificate("root").read_bytes()
            self.answer(200, root, "application/octet-stream")
        elif self.path in ["/-/leases", "/-/origins"]:
            self.answer(200, self.rows(self.path.removeprefix("/-/").removesuffix("s")))
        else:
            self.answer(404, {"detail": "Not Found"})

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        asked = json.loads(self.rfile.read(length) or b"{}")
        ref, now = str(uuid.uuid4()), time.time()
        with sqlite3.connect(self.database) as database:
            if self.path == "/auth/v1/origin":
                database.execute("INSERT INTO origin VALUES (?, ?)", (ref, asked.get("hostname")))
                self.answer(200, {"origin_ref": ref})
            elif self.path == "/leasing/v1/lessor":
                row = (ref, asked.get("origin_ref"), now, now + LEASE_DAYS * 24 * 3600)
                database.execute("INSERT INTO lease VALUES (?, ?, ?, ?)", row)
                self.answer(200, {"lease_ref": ref, "expires": row[3]})
            else:
                self.answer(404, {"detail": "Not Found"})


def serve(host, port, keyfile, certfile):
    Handler.database = prepare()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certfile, keyfile)
    server = http.server.ThreadingHTTPServer((host, port), Handler)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    # The first process of a container ignores a signal unless it has a handler for it.
    stop = lambda *_: threading.Thread(target=server.shutdown).start()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.serve_forever()
