"""The settings that stay in the hidden context of the standard library, with its checks, its refusals and its values.

The standard library's properties look their base up through the name ssl.SSLContext, which `inject_into_ssl` and others
change: they would call themselves for ever. These go to the hidden context without that detour.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tlscore.ssl import key_log, messages, stdlib

if TYPE_CHECKING:
    from ssl import SSLContext as Original
else:
    Original = stdlib.Original

_Core: Any = stdlib.Core


class FixedSettings(NamedTuple):
    """The settings that a connection keeps from the context that it was made from: as in OpenSSL, a context that takes
    over later, from an sni_callback or by assignment, brings its identity, its trust and its offers, and none of these.
    """

    options: int
    verify_flags: int
    verify_mode: int
    minimum_version: int
    maximum_version: int
    check_hostname: bool
    post_handshake_auth: bool
    protocol: int
    groups: tuple[int, ...]
    key_shares: tuple[int, ...]


_FIXED: Final = tuple([_Core.__dict__[name].__get__ for name in FixedSettings._fields[:8]])

_TOO_OLD: Final = (
    ssl.TLSVersion.SSLv3,
    ssl.TLSVersion.TLSv1,
    ssl.TLSVersion.TLSv1_1,
    ssl.TLSVersion.MINIMUM_SUPPORTED,
)


class StoredSettings(Original):
    """What OpenSSL keeps of a context's settings, and callbacks."""

    _key_log: str | None
    _message_callback: Any
    _groups: tuple[int, ...]
    _key_shares: tuple[int, ...]

    def _fixed(self) -> FixedSettings:
        """What a connection that is made now keeps."""
        return FixedSettings._make([*[read(self) for read in _FIXED], self._groups, self._key_shares])

    def _stored(self) -> tuple[Any, ...]:
        """The stored settings that a configuration depends on."""
        return (self._key_log, _Core._host_flags.__get__(self), *self._fixed())

    @property
    def options(self) -> ssl.Options:
        return ssl.Options(_Core.options.__get__(self))

    @options.setter
    def options(self, value: int) -> None:
        _Core.options.__set__(self, value)

    @property
    def verify_flags(self) -> ssl.VerifyFlags:
        return ssl.VerifyFlags(_Core.verify_flags.__get__(self))

    @verify_flags.setter
    def verify_flags(self, value: int) -> None:
        _Core.verify_flags.__set__(self, value)

    @property
    def verify_mode(self) -> ssl.VerifyMode:
        return ssl.VerifyMode(_Core.verify_mode.__get__(self))

    @verify_mode.setter
    def verify_mode(self, value: int) -> None:
        _Core.verify_mode.__set__(self, value)

    @property
    def minimum_version(self) -> ssl.TLSVersion:
        return ssl.TLSVersion(_Core.minimum_version.__get__(self))

    @minimum_version.setter
    def minimum_version(self, value: int) -> None:
        if value == ssl.TLSVersion.SSLv3:
            self.options &= ~ssl.Options.OP_NO_SSLv3
        _Core.minimum_version.__set__(self, value)

    @property
    def maximum_version(self) -> ssl.TLSVersion:
        return ssl.TLSVersion(_Core.maximum_version.__get__(self))

    @maximum_version.setter
    def maximum_version(self, value: int) -> None:
        if value in _TOO_OLD:
            raise ValueError(
                f"maximum_version = {ssl.TLSVersion(value).name}: nothing older than TLS 1.2 is spoken here, since RFC "
                "8996 forbids it. Set TLSVersion.TLSv1_2, or use the standard library's ssl for this peer"
            )
        _Core.maximum_version.__set__(self, value)

    @property
    def protocol(self) -> Any:  # type: ignore[override]
        return ssl._SSLMethod(_Core.protocol.__get__(self))

    @property  # type: ignore[override]
    def keylog_filename(self) -> str | None:
        return self._key_log

    @keylog_filename.setter
    def keylog_filename(self, value: Any) -> None:
        self._key_log = key_log.opened(value) if value is not None else None

    @property
    def sni_callback(self) -> Any:
        """Called with the socket or object, the name that the client asks for (or None) and this context."""
        return _Core.sni_callback.__get__(self)

    @sni_callback.setter
    def sni_callback(self, value: Any) -> None:
        _Core.sni_callback.__set__(self, value)

    @property
    def _msg_callback(self) -> Any:
        """Called with each handshake message, alert and change_cipher_spec of the connections made from now on."""
        return getattr(self._message_callback, "user_function", None)

    @_msg_callback.setter
    def _msg_callback(self, callback: Any) -> None:
        self._message_callback = messages.checked(callback)
