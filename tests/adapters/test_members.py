"""A custodian over the network: whoever is no member of this ledger, or not the one it says, is refused."""

from __future__ import annotations

import hashlib
import itertools
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from careledger.adapters.custody.sockets import send as send_plain
from careledger.adapters.members.link import Patience
from careledger.adapters.members.server import Limits, MemberServer, counted_as
from careledger.adapters.members.tls import PROTOCOL, Contexts, receive, send
from careledger.app.members import files
from careledger.domain.errors import AccessRefused, MemberRefused, ServerUnavailable, StoreUnavailable
from careledger.domain.parties import PartyId, Role
from careledger.formats.custody import Call, CustodianKeys, Reply
from careledger.formats.members import MemberCertificate, OwnCertificate
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import Signed, sign
from careledger.proofs.certificates import LONGEST, judged, new_certificate
from custodian_world import INSURER, OFFICERS, REGISTRAR, STRANGER_HOSPITAL, World
from member_world import HOUR, Member, Now, Wire, member

SAN = x509.ObjectIdentifier("2.5.29.17")
CALL = Call("keys", b"").encode()
NEWER = itertools.count(1)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def keeper(world: World, tmp_path: Path) -> Member:
    """Organisation 1, which has custodian 1."""
    return member(world, 1, tmp_path / "keeper")


@pytest.fixture
def asker(world: World, tmp_path: Path) -> Member:
    """A hospital whose gateway asks custodians."""
    return member(world, REGISTRAR, tmp_path / "asker")


@pytest.fixture
def server(keeper: Member, asker: Member) -> Iterator[MemberServer]:
    """The custodian, served; the two know one another."""
    with met(keeper, asker) as server:
        yield server


def met(keeper: Member, asker: Member, limits: Limits | None = None) -> MemberServer:
    """A server of the keeper's custodian, which has told the asker where, and knows the asker."""
    server = MemberServer("127.0.0.1", 0, keeper.roll, keeper.world.custodians[0].call, limits)
    asker.learns(keeper.certificate(server.address))
    keeper.learns(asker.certificate())
    return server


def shown(own: tuple[bytes, bytes], accepted: bytes) -> ssl.SSLContext:
    """How somebody connects who shows this certificate and believes that one."""
    return Contexts(server=False).of(own, [accepted])


def answers(context: ssl.SSLContext, server: MemberServer) -> bool:
    """Whether the custodian answers a call that comes so."""
    with socket.create_connection((server.host, server.port), 20) as plain:
        try:
            with context.wrap_socket(plain) as secured:
                send(secured, CALL, 20)
                return receive(secured, 20, 20) is not None
        except OSError:
            return False


def pair(of: Member) -> tuple[bytes, bytes]:
    """Its certificate and key."""
    own = of.own()
    return MemberCertificate.decode(own.signed.body).certificate, own.key


def refused(asker: Member, why: str = "store") -> None:
    """The asker's call to custodian 1 gets no answer."""
    with pytest.raises(StoreUnavailable, match=why):
        asker.link(1).call("keys", b"")


def test_a_custodian_answers_another_member_over_the_network_as_it_answers_here(
    world: World, asker: Member, server: MemberServer
) -> None:
    link = asker.link(1)
    assert link.party == 1
    assert link.call("keys", b"") == world.custodians[0].call("keys", b"")
    assert CustodianKeys.decode(link.call("keys", b"")).custodian == 1
    world.custodians[0] = link
    made = world.deposited(world.patient, count=2)
    _, certificate, _ = world.consent(world.patient)
    rows = world.ask(world.patient, world.session(), certificate).rows
    assert {row.handle: row.share for row in rows} == {
        handle: made.rows[at][0].share for at, handle in enumerate(made.handles)
    }
    with pytest.raises(AccessRefused, match="other-purpose"):
        world.ask(world.patient, world.session(), certificate, purpose="COVERAGE")
    link.close()
    assert link.call("keys", b"")


def test_a_member_that_the_server_was_not_told_of_is_refused(
    world: World, asker: Member, server: MemberServer, tmp_path: Path
) -> None:
    assert asker.link(1).call("keys", b"")
    stranger = member(world, STRANGER_HOSPITAL, tmp_path / "stranger")
    stranger.certificate()
    stranger.learns(*files.kept(asker.folder))
    refused(stranger)
    assert asker.link(1).call("keys", b"")


def test_a_strangers_self_signed_certificate_is_refused_by_both_sides(
    world: World, keeper: Member, asker: Member, server: MemberServer
) -> None:
    now = Now().now()
    made = new_certificate(world.ledger.chain_id, REGISTRAR, now - 60, now + HOUR)
    there, _ = pair(keeper)
    assert answers(shown(pair(asker), there), server)
    assert not answers(shown(made, there), server)
    with met_by(made, pair(asker)[0]) as address:
        asker.learns(keeper_says(keeper, address))
        refused(asker, "shows no certificate of it")


def keeper_says(keeper: Member, address: str) -> Signed:
    """The keeper's certificate once more, newer and with that address."""
    before = MemberCertificate.decode(keeper.own().signed.body)
    said = MemberCertificate(1, before.certificate, address, before.since + next(NEWER), before.until)
    return sign(said, keeper.organisation.controller, keeper.world.ledger.deployment)


class met_by:
    """Somebody who shows that certificate and believes whoever shows the other, and answers every call alike."""

    def __init__(
        self, own: tuple[bytes, bytes], accepted: bytes, context: ssl.SSLContext | None = None
    ) -> None:
        self._context = context or Contexts(server=True).of(own, [accepted])
        self._socket = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> str:
        threading.Thread(target=self._serve, daemon=True).start()
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    def __exit__(self, *ended: object) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._socket.accept()
                with self._context.wrap_socket(plain, server_side=True) as secured:
                    while receive(secured, 20, 20) is not None:
                        send(secured, Reply(b"believe me", None).encode(), 20)
            except ssl.SSLError:
                continue
            except OSError:
                return


def test_one_members_certificate_is_not_believed_of_another(
    world: World, keeper: Member, asker: Member, server: MemberServer, tmp_path: Path
) -> None:
    other = member(world, 2, tmp_path / "other")
    asker.learns(other.certificate("127.0.0.1:9"))
    with met_by(pair(other), pair(asker)[0]) as address:
        asker.learns(keeper_says(keeper, address))
        refused(asker, "shows no certificate of it")
    with met_by(pair(keeper), pair(asker)[0]) as address:  # whereas the member itself is believed there
        asker.learns(keeper_says(keeper, address))
        assert asker.link(1).call("keys", b"") == b"believe me"


def test_a_member_whose_certificate_is_called_as_anothers_keeps_nobody_out(
    world: World, keeper: Member, asker: Member, server: MemberServer, tmp_path: Path
) -> None:
    thief, now = member(world, STRANGER_HOSPITAL, tmp_path / "thief"), Now().now()
    its = x509.load_der_x509_certificate(pair(asker)[0])
    key = Ed25519PrivateKey.generate()
    names = x509.UniformResourceIdentifier(PartyId(STRANGER_HOSPITAL).did(world.ledger.chain_id))
    made = x509.CertificateBuilder(its.subject, its.subject, key.public_key(), 1, its.not_valid_before_utc,
                                   its.not_valid_after_utc)  # fmt: skip
    made = made.add_extension(x509.SubjectAlternativeName([names]), False)
    made = made.add_extension(x509.BasicConstraints(False, None), True)
    data = made.sign(key, None).public_bytes(Encoding.DER)
    said = MemberCertificate(STRANGER_HOSPITAL, data, "", now - 60, now + HOUR)
    signed = sign(said, thief.organisation.controller, world.ledger.deployment)
    assert keeper.roll.why_not(signed) == "not a certificate of its own"
    keeper.learns(signed)
    assert all(asked(asker) for _ in range(4))


def test_a_member_that_claims_anothers_certificate_is_not_taken_for_it_nor_it_for_the_member(
    world: World, keeper: Member, asker: Member, server: MemberServer, tmp_path: Path
) -> None:
    thief = member(world, STRANGER_HOSPITAL, tmp_path / "thief")
    its = MemberCertificate.decode(asker.own().signed.body)
    claimed = MemberCertificate(STRANGER_HOSPITAL, its.certificate, "", its.since, its.until)
    signed = sign(claimed, thief.organisation.controller, world.ledger.deployment)
    keeper.learns(signed)
    assert keeper.roll.member(its.certificate) == REGISTRAR
    with pytest.raises(MemberRefused, match="names another"):
        judged(
            signed, world.ledger.fresh_head().party, world.ledger.chain_id, world.ledger.deployment, its.since
        )
    lies = sign(its, thief.organisation.controller, world.ledger.deployment)
    keeper.learns(lies)
    assert keeper.roll.why_not(lies) == "not signed by its present key"
    assert asker.link(1).call("keys", b"")


@pytest.mark.parametrize("step", ["suspend", "remove", "rotate_party"])
def test_a_member_that_is_suspended_removed_or_has_another_key_loses_its_open_connection_too(
    world: World, keeper: Member, asker: Member, server: MemberServer, step: str
) -> None:
    for number, ended in ((REGISTRAR, asker), (1, keeper)):
        link = asker.link(1)
        assert link.call("keys", b"")
        officer = OFFICERS[0]
        if step == "rotate_party":
            world.ledger.rotate_party(number, ended.organisation.controller, SigningKey.random())
        else:
            getattr(world.ledger, step)(number, world.officer_keys[officer], officer)
        with pytest.raises(StoreUnavailable):
            link.call("keys", b"")
        refused(asker)
        if step != "suspend":
            return
        world.ledger.reinstate(number, world.officer_keys[officer], officer)
        assert link.call("keys", b"")


def test_a_suspended_member_gets_nothing_from_a_server_even_if_it_does_not_look_itself(
    world: World, keeper: Member, asker: Member, server: MemberServer
) -> None:
    context = shown(pair(asker), pair(keeper)[0])
    with (
        socket.create_connection((server.host, server.port), 20) as plain,
        context.wrap_socket(plain) as secured,
    ):
        send(secured, CALL, 20)
        assert receive(secured, 20, 20)
        world.ledger.suspend(REGISTRAR, world.officer_keys[OFFICERS[0]], OFFICERS[0])
        send(secured, CALL, 20)
        assert until_closed(secured) == b""
    assert not answers(context, server)


def test_an_expired_certificate_and_one_that_does_not_count_yet_are_refused_by_both_sides(
    world: World, keeper: Member, asker: Member, server: MemberServer, tmp_path: Path
) -> None:
    there = pair(keeper)[0]
    for number, since, until in ((INSURER, -HOUR, -60), (STRANGER_HOSPITAL, 600, HOUR)):
        late = member(world, number, tmp_path / str(number))
        signed = late.certificate(server.address, since, until)
        keeper.learns(signed)
        late.learns(*files.kept(asker.folder))
        assert late.roll.own() is None
        refused(late, "no certificate of a member here counts now")
        assert not answers(shown(pair(late), there), server)
        asker.learns(signed)
        with pytest.raises(StoreUnavailable, match="no certificate of it with an address counts now"):
            asker.link(number).call("keys", b"")


def test_an_expired_certificate_whose_member_says_that_it_counts_is_refused_by_tls_itself(
    world: World, keeper: Member, asker: Member, server: MemberServer, tmp_path: Path
) -> None:
    late, now = member(world, INSURER, tmp_path / "late"), Now().now()
    certificate, key = new_certificate(world.ledger.chain_id, INSURER, now - HOUR, now - 60)
    said = MemberCertificate(INSURER, certificate, "", now - HOUR, now + HOUR)
    keeper.learns(sign(said, late.organisation.controller, world.ledger.deployment))
    assert keeper.roll.member(certificate) == INSURER
    assert not answers(shown((certificate, key), pair(keeper)[0]), server)


def test_tls_1_2_plain_tcp_and_another_protocol_are_refused(
    keeper: Member, asker: Member, server: MemberServer
) -> None:
    there = pair(keeper)[0]
    older = shown(pair(asker), there)
    older.minimum_version = ssl.TLSVersion.TLSv1_2
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    assert not answers(older, server)
    for protocols in (["http/1.1"], []):
        other = shown(pair(asker), there)
        other.set_alpn_protocols(protocols)
        assert not answers(other, server)
    same = shown(pair(asker), there)
    same.set_alpn_protocols([PROTOCOL])
    assert answers(same, server)
    with socket.create_connection((server.host, server.port), 20) as plain:
        send_plain(plain, CALL)
        assert b"careledger" not in until_closed(plain)
    unsure = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unsure.check_hostname, unsure.verify_mode = False, ssl.CERT_NONE
    unsure.set_alpn_protocols([PROTOCOL])
    assert not answers(unsure, server)  # shows none at all


def until_closed(plain: socket.socket) -> bytes:
    """What comes until the other side has closed."""
    found = b""
    try:
        while part := plain.recv(4_096):
            found += part
    except ConnectionError:
        pass
    return found


def test_a_server_that_speaks_tls_1_2_alone_is_not_asked(
    keeper: Member, asker: Member, server: MemberServer
) -> None:
    older = Contexts(server=True).of(pair(keeper), [pair(asker)[0]])
    older.minimum_version = ssl.TLSVersion.TLSv1_2
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    with met_by(pair(keeper), pair(asker)[0], older) as address:
        asker.learns(keeper_says(keeper, address))
        refused(asker)


def test_a_call_that_was_listened_to_and_is_sent_again_does_nothing(
    keeper: Member, asker: Member, world: World
) -> None:
    heard: list[str] = []

    def answer(method: str, body: bytes) -> bytes:
        heard.append(method)
        return world.custodians[0].call(method, body)

    with MemberServer("127.0.0.1", 0, keeper.roll, answer) as server:
        wire = Wire((server.host, server.port))
        asker.learns(keeper.certificate(wire.address))
        keeper.learns(asker.certificate())
        link = asker.link(1)
        link.call("keys", b"")
        link.close()
        assert heard == ["keys"]
        with socket.create_connection((server.host, server.port), 20) as plain:
            plain.sendall(bytes(wire.sent))
            until_closed(plain)
        wire.close()
        assert heard == ["keys"]
        assert CALL not in wire.sent


def test_certificates_follow_one_another_without_a_refusal_between(keeper: Member, asker: Member) -> None:
    with met(keeper, asker) as server:
        link = asker.link(1)
        assert link.call("keys", b"")
        first = pair(keeper)
        following = keeper.certificate(server.address, since=-30)
        assert (
            keeper.roll.own() != first
        )  # the server shows the new one already, and the asker does not know it
        refused(asker, "shows no certificate of it")
        asker.learns(following)
        assert link.call("keys", b"")  # the old one counts as well, where it is in use
        assert asker.link(1).call("keys", b"")
        with pytest.raises(MemberRefused, match="two of its certificates count"):
            keeper.certificate(server.address)


def test_a_certificate_that_begins_later_is_handed_out_before_it_is_shown(
    keeper: Member, asker: Member
) -> None:
    with met(keeper, asker) as server:
        first = pair(keeper)
        asker.learns(keeper.certificate(server.address, since=600))
        assert keeper.roll.own() == first
        assert asker.link(1).call("keys", b"")


def test_a_slow_caller_and_one_that_says_nothing_are_cut_off_and_hold_nobody_up(
    keeper: Member, asker: Member
) -> None:
    hurried = Limits(unproved=2, handshake=5, idle=3, frame=3)
    with met(keeper, asker, hurried) as server:
        context = shown(pair(asker), pair(keeper)[0])
        with socket.create_connection((server.host, server.port), 20) as silent:
            assert until_closed(silent) == b""
        for begun in (b"", b"\0\0\1\0half a frame"):
            with (
                socket.create_connection((server.host, server.port), 20) as plain,
                context.wrap_socket(plain) as secured,
            ):
                secured.sendall(begun)
                assert secured.recv(1) == b""
        wait_for(lambda: bool(asked(asker)))


def test_a_frame_beyond_the_bound_is_not_waited_for(
    keeper: Member, asker: Member, server: MemberServer
) -> None:
    context = shown(pair(asker), pair(keeper)[0])
    with (
        socket.create_connection((server.host, server.port), 20) as plain,
        context.wrap_socket(plain) as secured,
    ):
        secured.sendall(b"\xff\xff\xff\xff" + b"x" * 100)
        assert until_closed(secured) == b""
    assert asker.link(1).call("keys", b"")


def test_no_address_and_no_member_takes_more_connections_than_it_may(keeper: Member, asker: Member) -> None:
    with met(keeper, asker, Limits(unproved=2, of_member=2, handshake=60)) as server:
        links = [asker.link(1), asker.link(1)]
        assert [bool(link.call("keys", b"")) for link in links] == [True, True]
        refused(asker)
        links[0].close()
        wait_for(lambda: bool(asked(asker)))
        waiting = [socket.create_connection((server.host, server.port), 20) for _ in range(2)]
        with socket.create_connection((server.host, server.port), 20) as third:
            assert until_closed(third) == b""
        assert links[1].call("keys", b"")  # whoever has proved who it is goes on
        for each in waiting:
            each.close()
        wait_for(lambda: bool(asked(asker)))


def asked(asker: Member) -> bytes:
    """The custodian's keys, nothing if it does not answer."""
    link = asker.link(1)
    try:
        return link.call("keys", b"")
    except StoreUnavailable:
        return b""
    finally:
        link.close()


def wait_for(holds: object, seconds: float = 30) -> None:
    """Waits until it holds."""
    end = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_member_that_answers_too_late_or_not_at_all_is_absent(keeper: Member, asker: Member) -> None:
    stopped = threading.Event()

    def answer(method: str, body: bytes) -> bytes:
        stopped.wait(20)
        return b""

    with MemberServer("127.0.0.1", 0, keeper.roll, answer) as server:
        asker.learns(keeper.certificate(server.address))
        keeper.learns(asker.certificate())
        link = asker.link(1, Patience(connect=20, answer=0.3))
        with pytest.raises(StoreUnavailable):
            link.call("keys", b"")
        stopped.set()
        with pytest.raises(StoreUnavailable):  # it holds nobody up again at once
            link.call("keys", b"")
    refused(asker)


def test_an_answer_that_comes_in_drops_is_not_waited_for_beyond_its_time() -> None:
    here, there = socket.socketpair()
    with here, there:
        there.sendall(b"\0\0\1\0half a frame")
        with pytest.raises(TimeoutError):
            receive(here, 60, 60, time.monotonic() + 0.2)


def test_all_addresses_that_one_machine_may_have_count_as_one() -> None:
    assert counted_as("2001:db8::1") == counted_as("2001:db8::2:3:4:5") != counted_as("2001:db8:0:1::1")
    assert counted_as("fe80::1%eth0") == counted_as("fe80::2%eth0")
    unlike = {"192.0.2.1", "192.0.2.2", "::ffff:192.0.2.1", "::ffff:192.0.2.2"}
    assert {counted_as(each) for each in unlike} == unlike


def test_a_server_that_was_started_anew_is_asked_over_a_new_connection(keeper: Member, asker: Member) -> None:
    with met(keeper, asker) as server:
        link, port = asker.link(1), server.port
        assert link.call("keys", b"")
    with MemberServer("127.0.0.1", port, keeper.roll, keeper.world.custodians[0].call):
        assert link.call("keys", b"")
        with pytest.raises(ServerUnavailable):
            MemberServer("127.0.0.1", port, keeper.roll, keeper.world.custodians[0].call)


def test_without_a_fresh_block_the_last_one_decides(
    world: World, asker: Member, server: MemberServer
) -> None:
    assert asker.link(1).call("keys", b"")
    world.ledger.stale = True
    assert asker.link(1).call("keys", b"")


def test_what_lies_among_the_certificates_and_is_none_harms_nobody(
    keeper: Member, asker: Member, server: MemberServer
) -> None:
    for name, data in (("nonsense.member", b"nonsense"), ("other.member", Signed(b"x", bytes(65)).encode())):
        (keeper.folder / files.FOLDER / name).write_bytes(data)
    assert asker.link(1).call("keys", b"")
    with pytest.raises(MemberRefused, match="unknown here"):
        keeper.roll.member(b"")


@pytest.mark.parametrize(
    "kind", ["unreadable-name", "twice-the-same", "version", "subject", "another-kind-of-key"]
)
def test_a_members_malformed_certificate_that_its_key_vouches_for_keeps_no_other_member_out(
    world: World, keeper: Member, asker: Member, server: MemberServer, tmp_path: Path, kind: str
) -> None:
    now, ledger = Now().now(), world.ledger
    other = member(world, STRANGER_HOSPITAL, tmp_path / "other")
    said = MemberCertificate(
        other.number, malformed(other.number, ledger.chain_id, kind), "", now - 60, now + HOUR
    )
    signed = sign(said, other.organisation.controller, ledger.deployment)
    keeper.learns(signed)
    asker.learns(signed)
    assert asker.roll.why_not(signed) == "not a certificate of its own"
    assert asker.link(1).call("keys", b"")


def malformed(number: int, chain_id: int, kind: str) -> bytes:
    """A certificate that is right but for one thing, signed by its own key."""
    key = Ed25519PrivateKey.generate()
    did = PartyId(number).did(chain_id).encode()
    names = tlv(0x86, did) + (tlv(0xA3, tlv(0x30, b"")) if kind == "unreadable-name" else b"")
    shown: Ed25519PrivateKey | ec.EllipticCurvePrivateKey = key
    if kind == "another-kind-of-key":
        shown = ec.generate_private_key(ec.SECP256R1())
    spki = shown.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    words = {NameOID.COMMON_NAME: f"{number:016x}", NameOID.SERIAL_NUMBER: hashlib.sha256(spki).hexdigest()}
    subject = x509.Name([x509.NameAttribute(*each) for each in words.items()])
    begin = datetime.now(UTC) - timedelta(hours=1)
    made = (
        x509.CertificateBuilder(subject, subject, shown.public_key(), 5)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=1))
        .add_extension(x509.BasicConstraints(False, None), critical=True)
        .add_extension(x509.UnrecognizedExtension(SAN, tlv(0x30, names)), critical=False)
        .add_extension(
            x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.99"), b"\5\0"), critical=False
        )
        .sign(shown, None if shown is key else SHA256())
    )
    changes = {
        "twice-the-same": (bytes.fromhex("0603551d63"), bytes.fromhex("0603551d13")),
        "version": (bytes.fromhex("a003020102"), bytes.fromhex("a003020107")),
        "subject": (f"{number:016x}".encode(), b"\xff" * 16),
    }
    if shown is not key:
        return made.public_bytes(Encoding.DER)
    body = made.tbs_certificate_bytes
    if kind in changes:
        body = body.replace(*changes[kind])
    return tlv(0x30, body + tlv(0x30, bytes.fromhex("06032b6570")) + tlv(3, b"\0" + key.sign(body)))


def tlv(tag: int, data: bytes) -> bytes:
    """DER: tag, length, value."""
    size = len(data)
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag]) + (bytes([size]) if size < 128 else bytes([128 + len(octets)]) + octets) + data


def test_a_certificate_that_tls_cannot_read_keeps_no_other_from_being_taken(
    keeper: Member, asker: Member, server: MemberServer
) -> None:
    own, its = pair(asker), pair(keeper)[0]
    assert answers(Contexts(server=False).of(own, [b"no certificate", its, b"\x30\x03\2\1\1"]), server)


def test_a_post_a_stranger_and_too_long_a_time_have_no_certificate_that_counts(
    world: World, asker: Member, tmp_path: Path
) -> None:
    now, ledger = Now().now(), world.ledger
    posts = member(world, 51, tmp_path / "post", world.post_keys[51])
    nobody = member(world, 4_242, tmp_path / "nobody", SigningKey.random())
    for each in (posts, nobody):
        assert asker.roll.why_not(each.certificate()) == "no organisation of this network"
    certificate, _ = new_certificate(ledger.chain_id, REGISTRAR, now - 1, now + LONGEST)
    said = MemberCertificate(REGISTRAR, certificate, "", now - 1, now + LONGEST)
    signed = sign(said, asker.organisation.controller, ledger.deployment)
    assert asker.roll.why_not(signed) == "not yet, or too long"
    elsewhere = sign(said, asker.organisation.controller, b"\1" * 32)
    assert asker.roll.why_not(elsewhere) == "not signed by its present key"
    with pytest.raises(MemberRefused, match="more than a year"):
        asker.certificate(until=LONGEST + HOUR)


def test_a_pending_organisation_is_no_member(world: World, asker: Member, tmp_path: Path) -> None:
    key = world.controllers.setdefault(777, SigningKey.random())
    world.ledger.propose_organisation(777, {Role.HOSPITAL}, b"\1" * 32, b"\2" * 32, key)
    assert asker.roll.why_not(member(world, 777, tmp_path / "pending").certificate()) == "pending"


def test_no_private_key_lies_on_the_disk_in_the_clear(asker: Member) -> None:
    asker.certificate()
    key = OwnCertificate.decode(asker.organisation.books.rows(files.OWN)[0][1]).key  # type: ignore[index]
    assert all(key[-32:] not in path.read_bytes() for path in asker.folder.rglob("*") if path.is_file())
