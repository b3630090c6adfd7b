"""Accept the command line of FastAPI-DLS, and start the stand-in."""

import argparse
import importlib
import sys

words = argparse.ArgumentParser()
words.add_argument("app", choices=["main:app"])
words.add_argument("--host", default="127.0.0.1")
words.add_argument("--port", type=int, default=8000)
words.add_argument("--app-dir", default="")
words.add_argument("--proxy-headers", action="store_true")
words.add_argument("--ssl-keyfile", required=True)
words.add_argument("--ssl-certfile", required=True)
words.add_argument("--loop")
asked = words.parse_args()
sys.path.insert(0, asked.app_dir)
main = importlib.import_module("main")
main.serve(asked.host, asked.port, asked.ssl_keyfile, asked.ssl_certfile)
