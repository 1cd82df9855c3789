"""_msg_callback: numbers of messages under the standard library's names, before its function is called."""

from __future__ import annotations

import ssl
from typing import Any, Final

_TYPES: Any = ssl
try:
    _CONTENT: Final = _TYPES._TLSContentType
    _ALERTS: Final = _TYPES._TLSAlertType
    _MESSAGES: Final = _TYPES._TLSMessageType
except AttributeError as missing:
    raise ImportError(
        f"the module ssl has no {missing.name}: another library stands in its place. Import tlscore.ssl before that "
        "library patches it, or keep that library's own TLS"
    ) from None
_KINDS: Final = {int(_CONTENT.ALERT): _ALERTS, int(_CONTENT.HEADER): _CONTENT}


def checked(callback: Any) -> Any:
    """A message callback as it is kept, None for none. Raises TypeError for what cannot be called."""
    if callback is None:
        return None
    if not callable(callback):
        raise TypeError(f"{callback} is not callable.")
    return named(callback)


def named(callback: Any) -> Any:
    """A function that calls `callback` with enumeration members in the place of the numbers that have one."""

    def inner(conn: object, direction: str, version: int, content_type: int, message_type: int, data: bytes) -> None:
        kinds = _KINDS.get(content_type, _MESSAGES)
        callback(
            conn,
            direction,
            _member(ssl.TLSVersion, version),
            _member(_CONTENT, content_type),
            _member(kinds, message_type),
            data,
        )

    inner.user_function = callback  # type: ignore[attr-defined]
    return inner


def _member(kind: Any, number: int) -> Any:
    try:
        return kind(number)
    except ValueError:
        return number
