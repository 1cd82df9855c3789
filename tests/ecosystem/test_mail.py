"""Mail from PyPI: aiosmtplib as client, aiosmtpd as server, TLS from the start and by STARTTLS."""

import asyncio
import smtplib
import threading
from typing import Any

import aiosmtplib
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from tests.ecosystem.support import DEADLINE, entry, free_port

MESSAGE = b"Subject: greetings\r\n\r\n" + b"A line of text that is repeated.\r\n" * 3000


class Mailbox:
    def __init__(self) -> None:
        self.content = b""
        self.arrived = threading.Event()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.content = envelope.content
        self.arrived.set()
        return "250 taken"


class StartTls(Controller):
    """aiosmtpd's controller, with the context for STARTTLS."""

    def factory(self) -> SMTP:
        return SMTP(self.handler, hostname="localhost", tls_context=self.context, require_starttls=True)

    def __init__(self, mailbox: Mailbox, context: Any) -> None:
        self.context = context
        super().__init__(mailbox, hostname="127.0.0.1", port=free_port())


def controller(mailbox: Mailbox, context: Any, implicit: bool) -> Controller:
    if implicit:
        return Controller(mailbox, hostname="127.0.0.1", port=free_port(), ssl_context=context)
    return StartTls(mailbox, context)


@entry("aiosmtplib", "client, TLS and STARTTLS", "SMTP(tls_context=)")
@pytest.mark.parametrize("implicit", [True, False])
def test_aiosmtplib_sends(client: Any, peer_server: Any, implicit: bool) -> None:
    async def main(port: int) -> None:
        async with aiosmtplib.SMTP(
            hostname="localhost", port=port, use_tls=implicit, start_tls=not implicit, tls_context=client
        ) as mailer:
            await mailer.sendmail("from@example.org", ["to@example.org"], MESSAGE)
            stream = mailer.transport.get_extra_info("socket")
        # The client does not wait until its transport has closed.
        while stream.fileno() != -1:
            await asyncio.sleep(0.01)

    mailbox = Mailbox()
    service = controller(mailbox, peer_server, implicit)
    service.start()
    try:
        asyncio.run(asyncio.wait_for(main(service.port), DEADLINE))
    finally:
        service.stop()
    assert mailbox.content == MESSAGE


@entry("aiosmtpd", "server, TLS and STARTTLS", "Controller(ssl_context=), SMTP(tls_context=)")
@pytest.mark.parametrize("implicit", [True, False])
def test_aiosmtpd_receives(server: Any, peer_client: Any, implicit: bool) -> None:
    mailbox = Mailbox()
    service = controller(mailbox, server, implicit)
    service.start()
    try:
        if implicit:
            mailer = smtplib.SMTP_SSL("localhost", service.port, context=peer_client, timeout=DEADLINE)
        else:
            mailer = smtplib.SMTP("localhost", service.port, timeout=DEADLINE)
            mailer.starttls(context=peer_client)
        with mailer:
            mailer.sendmail("from@example.org", "to@example.org", MESSAGE)
    finally:
        service.stop()
    assert mailbox.content == MESSAGE
