"""TLS on the loopback with a certificate of our own: what functions meet in AWS, and plain HTTP hides."""

import contextlib
import datetime as dt
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from local.children import LOCAL_HOST

PIECE = 64 * 1024
NAME = "localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """An address that speaks TLS, and the certificate that proves it, as a file of PEM."""

    address: str
    certificate: Path
    carried: set[socket.socket] = field(default_factory=set, repr=False)
    """Where living connections lead to."""

    def hang_up(self) -> None:
        """End all connections, as AWS ends those that rest. Who holds one learns it a moment later."""
        for inner in tuple(self.carried):
            with contextlib.suppress(OSError):
                inner.shutdown(socket.SHUT_RDWR)


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make an authority's certificate for `localhost` that it signs itself: like AWS's, RSA of 2,048 bits.

    Gives the files of the certificate and of its key.
    """
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .add_extension(_usage(), critical=True)
        .sign(key, hashes.SHA256())
    )
    own, private = folder / "localhost.pem", folder / "localhost.key"
    own.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    return own, private


def _usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


@contextlib.contextmanager
def front(behind: str, folder: Path) -> Iterator[Front]:
    """Speaks TLS in front of an address of plain HTTP until the context is left.

    Args:
        behind: Host and port, such as ``127.0.0.1:4566``.
        folder: An existing folder for certificate and key.
    """
    own, private = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, private)
    host, _, port = behind.partition(":")
    with socket.create_server((LOCAL_HOST, 0)) as server:
        met = Front(address=f"https://{NAME}:{server.getsockname()[1]}", certificate=own)
        serving = (server, context, (host, int(port)), met.carried)
        threading.Thread(target=_serve, args=serving, daemon=True).start()
        yield met


def _serve(
    server: socket.socket, context: ssl.SSLContext, behind: tuple[str, int], carried: set[socket.socket]
) -> None:
    while True:
        try:
            met, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_carry, args=(met, context, behind, carried), daemon=True).start()


def _carry(
    met: socket.socket, context: ssl.SSLContext, behind: tuple[str, int], carried: set[socket.socket]
) -> None:
    """One connection: what one side says is told the other, until one of them has had enough."""
    with contextlib.suppress(OSError), socket.create_connection(behind) as inner:
        met.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with context.wrap_socket(met, server_side=True) as outer:
            carried.add(inner)
            back = threading.Thread(target=_pump, args=(inner, outer), daemon=True)
            back.start()
            _pump(outer, inner)
            back.join()
            carried.discard(inner)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(PIECE):
            sink.sendall(piece)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
