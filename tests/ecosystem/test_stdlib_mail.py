"""Mail and file protocols of the standard library, TLS from the start and by upgrade: smtplib, imaplib, poplib, ftplib.

The servers are the few lines of each protocol that the client needs; everything they were told is checked.
"""

import ftplib
import imaplib
import io
import poplib
import re
import smtplib
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.ecosystem.support import DEADLINE, LARGE, conversation, entry

MESSAGE = b"Subject: greetings\r\n\r\n" + b"A line of text that is repeated.\r\n" * 3000


class Lines:
    """A connection as lines, with the upgrade to TLS."""

    def __init__(self, connection: Any, context: Any) -> None:
        self.connection = connection
        self.context = context
        self.reader = connection.makefile("rb")

    def upgrade(self) -> None:
        self.reader.close()
        self.connection = self.context.wrap_socket(self.connection, server_side=True)
        self.reader = self.connection.makefile("rb")

    def send(self, *lines: bytes) -> None:
        self.connection.sendall(b"".join(line + b"\r\n" for line in lines))

    def __iter__(self) -> Iterator[bytes]:
        while line := self.reader.readline():
            yield line.rstrip(b"\r\n")

    def close(self) -> None:
        self.reader.close()
        self.connection.close()


@contextmanager
def serving(protocol: Callable[[Lines], None], context: Any, *, implicit: bool) -> Iterator[int]:
    def handle(connection: socket.socket) -> None:
        lines = Lines(connection, context)
        if implicit:
            lines.upgrade()
        try:
            protocol(lines)
        finally:
            lines.close()

    with conversation(handle) as port:
        yield port


class Smtp:
    def __init__(self) -> None:
        self.mail = b""
        self.upgraded = 0

    def __call__(self, lines: Lines) -> None:
        lines.send(b"220 ready")
        for line in lines:
            match line[:4].upper():
                case b"EHLO":
                    lines.send(b"250-localhost", b"250 STARTTLS")
                case b"STAR":
                    lines.send(b"220 go ahead")
                    lines.upgrade()
                    self.upgraded += 1
                case b"DATA":
                    lines.send(b"354 go on")
                    self.mail = b"\r\n".join(iter(iter(lines).__next__, b"."))
                    lines.send(b"250 taken")
                case b"QUIT":
                    lines.send(b"221 bye")
                    return
                case _:
                    lines.send(b"250 fine")


@entry("smtplib", "client, SMTP_SSL", "SMTP_SSL(context=)")
def test_smtplib_sends_mail_over_tls(client: Any, peer_server: Any) -> None:
    smtp = Smtp()
    with (
        serving(smtp, peer_server, implicit=True) as port,
        smtplib.SMTP_SSL("localhost", port, context=client, timeout=DEADLINE) as mailer,
    ):
        mailer.sendmail("from@example.org", "to@example.org", MESSAGE)
    assert smtp.mail == MESSAGE.rstrip(b"\r\n")


@entry("smtplib", "client, STARTTLS", "SMTP.starttls(context=)")
def test_smtplib_sends_mail_after_starttls(client: Any, peer_server: Any) -> None:
    smtp = Smtp()
    with (
        serving(smtp, peer_server, implicit=False) as port,
        smtplib.SMTP("localhost", port, timeout=DEADLINE) as mailer,
    ):
        mailer.starttls(context=client)
        mailer.sendmail("from@example.org", "to@example.org", MESSAGE)
    assert smtp.upgraded == 1
    assert smtp.mail == MESSAGE.rstrip(b"\r\n")


def imap(lines: Lines) -> None:
    lines.send(b"* OK ready")
    for line in lines:
        tag, command, *_ = line.split()
        if command == b"CAPABILITY":
            lines.send(b"* CAPABILITY IMAP4REV1 STARTTLS")
        elif command == b"SELECT":
            lines.send(b"* 1 EXISTS")
        elif command == b"FETCH":
            lines.send(b"* 1 FETCH (RFC822 {%d}" % len(MESSAGE), MESSAGE + b")")
        elif command == b"LOGOUT":
            lines.send(b"* BYE", tag + b" OK done")
            return
        lines.send(tag + b" OK done")
        if command == b"STARTTLS":
            lines.upgrade()


def read_by_imap(mailbox: imaplib.IMAP4) -> None:
    mailbox.login("user", "password")
    mailbox.select()
    _, data = mailbox.fetch("1", "(RFC822)")
    assert data[0][1] == MESSAGE
    mailbox.logout()


@entry("imaplib", "client, IMAP4_SSL", "IMAP4_SSL(ssl_context=)")
def test_imaplib_reads_mail_over_tls(client: Any, peer_server: Any) -> None:
    with serving(imap, peer_server, implicit=True) as port:
        read_by_imap(imaplib.IMAP4_SSL("localhost", port, ssl_context=client, timeout=DEADLINE))


@entry("imaplib", "client, STARTTLS", "IMAP4.starttls(ssl_context=)")
def test_imaplib_reads_mail_after_starttls(client: Any, peer_server: Any) -> None:
    with serving(imap, peer_server, implicit=False) as port:
        mailbox = imaplib.IMAP4("localhost", port, timeout=DEADLINE)
        mailbox.starttls(ssl_context=client)
        read_by_imap(mailbox)


def pop(lines: Lines) -> None:
    lines.send(b"+OK ready")
    for line in lines:
        match line[:4].upper():
            case b"CAPA":
                lines.send(b"+OK", b"STLS", b".")
            case b"STLS":
                lines.send(b"+OK")
                lines.upgrade()
            case b"RETR":
                lines.send(b"+OK", MESSAGE + b".")
            case b"QUIT":
                lines.send(b"+OK")
                return
            case _:
                lines.send(b"+OK")


def read_by_pop(mailbox: poplib.POP3) -> None:
    mailbox.user("user")
    mailbox.pass_("password")
    _, lines, _ = mailbox.retr(1)
    assert b"\r\n".join(lines) + b"\r\n" == MESSAGE
    mailbox.quit()


@entry("poplib", "client, POP3_SSL", "POP3_SSL(context=)")
def test_poplib_reads_mail_over_tls(client: Any, peer_server: Any) -> None:
    with serving(pop, peer_server, implicit=True) as port:
        read_by_pop(poplib.POP3_SSL("localhost", port, context=client, timeout=DEADLINE))


@entry("poplib", "client, STLS", "POP3.stls(context=)")
def test_poplib_reads_mail_after_stls(client: Any, peer_server: Any) -> None:
    with serving(pop, peer_server, implicit=False) as port:
        mailbox = poplib.POP3("localhost", port, timeout=DEADLINE)
        mailbox.stls(context=client)
        read_by_pop(mailbox)


class Ftp:
    """Control connection by upgrade, data connections with TLS of their own after PROT P."""

    def __init__(self) -> None:
        self.stored = b""
        self.private = False
        self.plain_again = False

    def __call__(self, lines: Lines) -> None:
        lines.send(b"220 ready")
        for line in lines:
            match line[:4].upper():
                case b"AUTH":
                    lines.send(b"234 go ahead")
                    lines.upgrade()
                case b"PROT":
                    self.private = line.endswith(b"P")
                    lines.send(b"200 fine")
                case b"EPSV" | b"PASV":
                    self.data = socket.create_server(("127.0.0.1", 0))
                    high, low = divmod(self.data.getsockname()[1], 256)
                    lines.send(b"227 Entering (127,0,0,1,%d,%d)" % (high, low))
                case b"NLST" | b"LIST" | b"RETR" | b"STOR":
                    self.transfer(lines, line)
                case b"CCC":
                    lines.send(b"200 fine")
                    lines.reader.close()
                    lines.connection = lines.connection.unwrap()
                    lines.reader = lines.connection.makefile("rb")
                    self.plain_again = True
                case b"QUIT":
                    lines.send(b"221 bye")
                    return
                case b"TYPE" | b"PBSZ" | b"PASS":
                    lines.send(b"200 fine")
                case b"USER":
                    lines.send(b"331 and the password")
                case _:
                    lines.send(b"500 what?")

    def transfer(self, lines: Lines, line: bytes) -> None:
        lines.send(b"150 here it comes")
        connection, _ = self.data.accept()
        self.data.close()
        connection.settimeout(DEADLINE)
        if self.private:
            connection = lines.context.wrap_socket(connection, server_side=True)
        with connection:
            if line.startswith(b"STOR"):
                self.stored = b"".join(iter(lambda: connection.recv(1 << 16), b""))
            else:
                connection.sendall(LARGE if line.startswith(b"RETR") else "one\r\nzwölf\r\n".encode())
            if self.private:
                connection = connection.unwrap()
        connection.close()
        lines.send(b"226 done")


@pytest.fixture
def ftp(peer_server: Any) -> Iterator[tuple[Ftp, int]]:
    protocol = Ftp()
    with serving(protocol, peer_server, implicit=False) as port:
        yield protocol, port


@entry("ftplib", "client, control and data connections", "FTP_TLS(context=)")
def test_ftplib_transfers_both_ways_over_tls(client: Any, ftp: tuple[Ftp, int]) -> None:
    protocol, port = ftp
    with ftplib.FTP_TLS(context=client, timeout=DEADLINE) as transfer:
        transfer.connect("localhost", port)
        transfer.login("user", "password")
        transfer.prot_p()
        got = bytearray()
        transfer.retrbinary("RETR file", got.extend)
        assert got == LARGE
        transfer.storbinary("STOR file", io.BytesIO(LARGE))
    assert protocol.private
    assert protocol.stored == LARGE


def test_ftplib_lists_as_text(client: Any, ftp: tuple[Ftp, int]) -> None:
    """ftplib reads listings through makefile("r", encoding=…): lines must be text, not octets."""
    _, port = ftp
    with ftplib.FTP_TLS(context=client, timeout=DEADLINE) as transfer:
        transfer.connect("localhost", port)
        transfer.login("user", "password")
        transfer.prot_p()
        assert transfer.nlst() == ["one", "zwölf"]


def test_ftplib_goes_back_to_a_plain_control_connection(client: Any, ftp: tuple[Ftp, int]) -> None:
    """CCC unwraps the control connection, and the socket below goes on."""
    protocol, port = ftp
    transfer = ftplib.FTP_TLS(context=client, timeout=DEADLINE)
    transfer.connect("localhost", port)
    transfer.login("user", "password")
    transfer.ccc()
    assert re.match("200", transfer.sendcmd("TYPE I"))
    transfer.quit()
    assert protocol.plain_again
