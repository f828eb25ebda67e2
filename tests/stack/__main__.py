# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack's server process: `python -m stack READY_FILE [--tls DIR] [--detached] [--without-managed-policies]`.

Serves AWS and the vendor's API on free loopback ports and writes their URLs, as JSON, to READY_FILE. It ends on
SIGTERM, and as soon as its standard input closes (its parent is gone, however it went) unless it is detached.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

# moto asks boto3 for AWS's regions: nothing of the developer's own configuration may be read for that.
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

from .aws import Aws
from .vendor_api import VendorApi

LOOPBACK = "127.0.0.1"


class QuietRequestHandler(MotoRequestHandler):
    """Errors are still logged; a line per request would hide them."""

    def log_request(self, *args: Any) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(prog="stack", description=__doc__)
    parser.add_argument("ready_file", type=Path)
    parser.add_argument("--tls", type=Path, help="folder with cert.pem and key.pem: the vendor's API speaks https")
    parser.add_argument("--detached", action="store_true")
    parser.add_argument("--without-managed-policies", action="store_true", help="accounts without AWS's own policies")
    args = parser.parse_args()
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "false" if args.without_managed_policies else "true"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *ignored: os._exit(0))
    if not args.detached:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    tls = (str(args.tls / "cert.pem"), str(args.tls / "key.pem")) if args.tls else None
    vendor_api = VendorApi()
    aws, vendor = _serve(Aws(vendor_api.reset)), _serve(vendor_api, tls)
    urls = {"aws": _url(aws, "http"), "vendor_api": _url(vendor, "https" if tls else "http"), "pid": os.getpid()}
    _write_at_once(args.ready_file, json.dumps(urls))
    signal.pause()


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


def _serve(application: Any, tls: tuple[str, str] | None = None) -> BaseWSGIServer:
    server = make_server(LOOPBACK, 0, application, threaded=True, request_handler=QuietRequestHandler, ssl_context=tls)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _url(server: BaseWSGIServer, scheme: str) -> str:
    return f"{scheme}://{LOOPBACK}:{server.server_port}"


def _write_at_once(path: Path, text: str) -> None:
    # The parent polls for the file: it must never see half of it.
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(path)


if __name__ == "__main__":
    main()
