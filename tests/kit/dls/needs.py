"""Print the files that the stand-in needs to run: Python and its modules."""

import argparse
import base64
import datetime
import encodings.ascii
import encodings.idna
import encodings.latin_1
import encodings.utf_8
import http.server
import importlib
import json
import os
import pathlib
import signal
import sqlite3
import ssl
import subprocess
import sys
import threading
import uuid

files = {os.path.realpath(sys.executable)}
for module in list(sys.modules.values()):
    path = getattr(module, "__file__", None)
    if path:
        files.add(path)
print(*sorted(files), sep="\n")
