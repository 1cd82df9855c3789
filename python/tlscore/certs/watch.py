"""Hot reload: identities and trust that follow their files while connections go on.

An `IdentityFile` stands in a configuration where an Identity would; every new handshake takes its `current` identity,
one object with certificate and key, so no handshake ever sees half a change. A pair that does not fit, a file that
cannot be read, an expired certificate or one that may no longer sign is refused: the old identity stays, `last_error`
and `on_error` tell. A `FileWatcher` is a daemon thread that looks at the files' facts (following links, as Kubernetes
swaps them) and reloads what changed; `check()` does one round without a thread.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol, Self

from tlscore.certs import key_use
from tlscore.certs.identity import Identity, Password, Readable
from tlscore.certs.trust_sources import file_stamp
from tlscore.certs.trust_store import TrustStore
from tlscore.errors import ConfigError

_Told = Callable[[Any], object]
# Reading certificate and key while somebody writes them: read again this often before it counts as a bad pair.
_ATTEMPTS = 3


class Reloadable(Protocol):
    """What a FileWatcher watches. `stamp` differs when the files have changed."""

    @property
    def stamp(self) -> tuple[object, ...]: ...

    def reload(self) -> bool: ...


class Watched:
    """What an IdentityFile and a TrustFile have in common.

    `generation` counts the swaps, `last_error` is why the last reload was refused (None where it was not).
    """

    def __init__(self, on_swap: _Told | None, on_error: _Told | None) -> None:
        self.generation = 0
        self.last_error: Exception | None = None
        self._lock = threading.Lock()
        self._on_swap, self._on_error = on_swap, on_error

    def reload(self) -> bool:
        """Read the files again; whether something else is in use now.

        Effects:  on_swap(self) after a swap, on_error(self) where the files were refused; never raises for bad files.
        """
        with self._lock:
            failed_before = self.last_error
            try:
                swapped = self._swap()
            except Exception as failure:
                self.last_error, swapped = failure, False
            else:
                self.last_error = None
                self.generation += swapped
        if swapped and self._on_swap is not None:
            self._on_swap(self)
        news = self.last_error is not None and str(self.last_error) != str(failed_before)
        if news and self._on_error is not None:
            self._on_error(self)
        return swapped

    def _swap(self) -> bool:
        raise NotImplementedError


class IdentityFile(Watched):
    """An identity that follows its files.

    Takes:    chain, key, password, key_password, strict: as Identity.load; chain and key are paths. prepare: called
              with each loaded identity, gives the one to use, as `lambda one: one.with_staple(source)`.
              on_swap, on_error: called with this object after a swap, and once for each new reason to refuse one.
    Raises:   ConfigError where the files are wrong at the start.
    """

    current: Identity

    def __init__(
        self,
        chain: str | os.PathLike[str],
        key: str | os.PathLike[str] | None = None,
        password: Password | None = None,
        *,
        key_password: Password | None = None,
        strict: bool = False,
        prepare: Callable[[Identity], Identity] | None = None,
        on_swap: _Told | None = None,
        on_error: _Told | None = None,
    ) -> None:
        super().__init__(on_swap, on_error)
        self._prepare = prepare
        for path in (chain, key):
            if path is not None and (not isinstance(path, (str, os.PathLike)) or "-----BEGIN " in os.fspath(path)):
                raise ConfigError(
                    "an IdentityFile follows files, and was given something else",
                    remedy="give paths, or use Identity.load for what does not change",
                )
        self._chain: Readable = chain
        self._key = key
        self._passwords: tuple[Password | None, Password | None] = (password, key_password)
        self._strict = strict
        self.paths = tuple(os.fspath(path) for path in (chain, key) if path is not None)
        self.current = self._load()

    @property
    def stamp(self) -> tuple[object, ...]:
        return tuple(map(file_stamp, self.paths))

    def days_to_expiry(self, now: datetime | None = None) -> float:
        """Days until the first certificate of the current chain expires; below 0 where one has."""
        return self.current.days_to_expiry(now)

    def _load(self) -> Identity:
        loaded = self._read()
        return loaded if self._prepare is None else self._prepare(loaded)

    def _read(self) -> Identity:
        password, key_password = self._passwords
        for attempt in range(_ATTEMPTS):
            before = self.stamp
            try:
                return Identity.load(self._chain, self._key, password, key_password=key_password, strict=self._strict)
            except ConfigError:
                if self.stamp == before or attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("the loop returns or raises")

    def _swap(self) -> bool:
        fresh, old = self._load(), self.current
        now = datetime.now(UTC)
        if fresh.days_to_expiry(now) < 0 <= old.days_to_expiry(now):
            raise ConfigError(
                f"{self.paths[0]} holds an expired certificate, and the one in use is still valid",
                remedy="renew the certificate; the old one stays in use",
                code="TLS-CONFIG-EXPIRED",
            )
        _keeps_its_use(self.paths[0], old, fresh)
        if fresh.chain == old.chain:
            return False
        self.current = fresh
        return True

    def __repr__(self) -> str:
        return f"<IdentityFile {self.paths[0]} generation {self.generation}: {self.current!r}>"


def _keeps_its_use(path: str, old: Identity, fresh: Identity) -> None:
    """Refuse what would end the handshakes that the old one served: a lost digitalSignature, or nothing in common.

    A lost keyEncipherment beside it is how certificates are renewed today; RSA key exchange alone needs it.
    """
    lost = tuple([use for use in old.uses if use not in fresh.uses])
    # RFC 9846 4.5.1.2: "the digitalSignature bit MUST be set if the Key Usage extension is present"
    if not lost or ("digitalSignature" not in lost and lost != old.uses):
        return
    raise ConfigError(
        f"{path} holds a certificate whose keyUsage allows {' and '.join(fresh.uses) or 'no use in TLS'}, and "
        f"handshakes may need the {lost[0]} of the one in use",
        remedy="have it issued with the keyUsage of the old one, which stays in use",
        section=key_use.section_of(lost[0]),
        code="TLS-CONFIG-KEY_USAGE",
    )


class TrustFile(Watched):
    """A trust store that follows its files: use `store` in configurations.

    Takes:    source: a path (file or directory), or a TrustStore made from files.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | TrustStore,
        *,
        on_swap: _Told | None = None,
        on_error: _Told | None = None,
    ) -> None:
        super().__init__(on_swap, on_error)
        if isinstance(source, TrustStore):
            self.store = source
        else:
            made = TrustStore.from_directory if os.path.isdir(source) else TrustStore.from_file
            self.store = made(source)

    @property
    def paths(self) -> tuple[str, ...]:
        return self.store.paths

    @property
    def stamp(self) -> tuple[object, ...]:
        return self.store.stamp

    def _swap(self) -> bool:
        return self.store.reload()

    def __repr__(self) -> str:
        return f"<TrustFile {self.store!r} generation {self.generation}>"


class FileWatcher:
    """A daemon thread that reloads sources whose files changed.

    Takes:    sources: IdentityFile, TrustFile, TrustStore, or anything with `stamp` and `reload()`. interval: seconds
              between two looks; a look costs one stat a file.
    """

    def __init__(self, *sources: Reloadable, interval: float = 10.0) -> None:
        if not isinstance(interval, (int, float)) or isinstance(interval, bool) or not interval > 0:
            raise ConfigError(f"interval is {interval!r}", remedy="give seconds above 0")
        for one in sources:
            if not callable(getattr(one, "reload", None)) or not hasattr(one, "stamp"):
                raise ConfigError(
                    f"a {type(one).__name__} cannot be watched", remedy="give IdentityFile, TrustFile or TrustStore"
                )
        self.sources = sources
        self.interval = interval
        self.last_error: Exception | None = None
        self._stamps = [_stamp(one) for one in sources]
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def check(self) -> int:
        """Look at every source once, and reload those that changed or failed last time; how many were swapped."""
        swapped = 0
        for number, source in enumerate(self.sources):
            stamp = _stamp(source)
            if stamp == self._stamps[number] and getattr(source, "last_error", None) is None:
                continue
            # The stamp was taken before the files are read: a change in between is seen in the next round.
            self._stamps[number] = stamp
            try:
                swapped += bool(source.reload())
            except Exception as failure:
                # A TrustStore raises, callbacks may: one source must not end the watch over the others.
                self.last_error = failure
        return swapped

    def start(self) -> Self:
        """Start the thread; nothing where it runs."""
        if self._thread is None or not self._thread.is_alive():
            self._stopped.clear()
            self._thread = threading.Thread(target=self._run, name="tlscore-file-watcher", daemon=True)
            self._thread.start()
        return self

    def stop(self) -> None:
        """Stop the thread and wait for its end."""
        self._stopped.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        self._thread = None

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopped.wait(self.interval):
            self.check()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()


def _stamp(source: Reloadable) -> tuple[object, ...]:
    try:
        return source.stamp
    except Exception:  # a directory that is being replaced: the next look will see it
        return ("unreadable",)
