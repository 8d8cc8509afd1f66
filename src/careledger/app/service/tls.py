"""TLS by an operator's own certificate: versions 1.2 and 1.3, only suites that are authenticated and forward secret."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

from careledger.app.service.table import Service, refused

SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2; those of 1.3 are all so (RFC 9325 §4.2)."""


def context(service: Service) -> ssl.SSLContext | None:
    """How connections are answered, and who may make them, None without a certificate; raises
    ConfigurationRefused."""
    if not service.cert:
        return None
    for name, said in (("tls.cert", service.cert), ("tls.key", service.key)):
        if not Path(said).is_file():
            raise refused(name, "no such file")
    if stat.S_IMODE(Path(service.key).stat().st_mode) & 0o077:
        raise refused("tls.key", "others may read the file")
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_ciphers(SUITES)
    if service.authorities:
        try:
            made.load_verify_locations(service.authorities)
        except (OSError, ssl.SSLError):
            raise refused("tls.clients", "no file of PEM certificates") from None
        made.verify_mode = ssl.CERT_REQUIRED
    made.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    try:
        made.load_cert_chain(service.cert, service.key, password=_no_passphrase)
    except (OSError, ssl.SSLError):
        raise refused("tls.cert", "not a PEM certificate with the private key that belongs to it") from None
    return made


def _no_passphrase() -> str:
    """A service that starts by itself can ask nobody."""
    return ""
