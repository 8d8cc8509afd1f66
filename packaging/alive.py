"""Whether the service of this container answers: exit status 0 if it does. It asks where the settings say."""

from __future__ import annotations

import os
import ssl
import sys
import urllib.request
from pathlib import Path

from careledger.app.service.reading import configured

ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104


def main() -> None:
    """Asks ``/healthz`` of this machine; a certificate's name is of no interest there."""
    said = configured(Path(os.environ.get("CARELEDGER_DATA", ".")), os.environ).service
    scheme = "https" if said.cert else "http"
    host = ANYWHERE.get(said.host, f"[{said.host}]" if ":" in said.host else said.host)
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    direct = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=unchecked)
    )
    try:
        direct.open(f"{scheme}://{host}:{said.port}/healthz", timeout=4).close()
    except OSError:
        sys.exit(1)


if __name__ == "__main__":
    main()
