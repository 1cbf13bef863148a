"""An authority of a test's own, and the certificates that it gives, as PEM."""

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from kafkaml_local.ports import LOCALHOST


class Authority:
    """Certifies who listens at 127.0.0.1, and who calls."""

    def __init__(self) -> None:
        self._authority = trustme.CA()
        self.pem = self._authority.cert_pem.bytes().decode()

    def certificate(self, name: str = LOCALHOST) -> tuple[str, str]:
        """Return a certificate and its key; Java takes keys in PKCS #8 only."""
        issued = self._authority.issue_cert(name)
        key = load_pem_private_key(issued.private_key_pem.bytes(), None)
        key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return issued.cert_chain_pems[0].bytes().decode(), key_pem.decode()
