"""Small frozen records: the base of every message, state, event and configuration.

Classes made at import decide the import time of a library that has a hundred of them. A dataclass writes its methods as
source text and compiles it, half a millisecond a class; here the methods exist once, on `Record`, and work from two
tuples that the metaclass makes: the field names and the setters of their slots. `typing.dataclass_transform` tells type
checkers the rest.

A field is an annotated name of the class body, with or without a default; `ClassVar` and unannotated names stay class
attributes. Extra slots (for values computed once) may be named in `__slots__`: they are no fields, and
`object.__setattr__` writes them.
"""

import sys
from collections.abc import Callable
from typing import Any, ClassVar, Final, Self, dataclass_transform

_REPR_OCTETS: Final = 32  # octets of a bytes value that repr shows: enough to recognise it, too little to flood a log

_Setter = Callable[[object, object], None]


def _annotations(namespace: dict[str, Any]) -> dict[str, Any]:
    """The annotations of a class body that is being made into a class."""
    found: dict[str, Any] | None = namespace.get("__annotations__")
    if found is not None or sys.version_info < (3, 14):
        return found or {}
    annotate = namespace.get("__annotate_func__") or namespace.get("__annotate__")
    if annotate is None:
        return {}
    try:
        result: dict[str, Any] = annotate(1)
    except NameError:  # a name imported under TYPE_CHECKING only: the field names are all that is needed here
        import annotationlib  # type: ignore[import-not-found,unused-ignore]

        result = annotationlib.call_annotate_function(annotate, annotationlib.Format.FORWARDREF)
    return result


def _is_class_variable(annotation: object) -> bool:
    if isinstance(annotation, str):
        return annotation.startswith(("ClassVar", "typing.ClassVar"))
    return annotation is ClassVar or getattr(annotation, "__origin__", None) is ClassVar


@dataclass_transform(frozen_default=True, kw_only_default=False)
class RecordMeta(type):
    """Turns annotated names into slots, and remembers their order, setters and defaults."""

    _fields: tuple[str, ...]
    _setters: tuple[_Setter, ...]
    _defaults: dict[str, Any]
    _keyword_only: bool
    _plain: int  # fields that a call with positional values alone gives, -1 where it may not
    _tail: tuple[Any, ...]  # the defaults of the last fields, those that a call may leave out

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], *, kw_only: bool = False
    ) -> "RecordMeta":
        own = [field for field, note in _annotations(namespace).items() if not _is_class_variable(note)]
        inherited = bases[0] if bases and isinstance(bases[0], RecordMeta) else None
        defaults = dict(inherited._defaults) if inherited else {}
        for field in own:
            if field in namespace:
                defaults[field] = namespace.pop(field)
            elif defaults and not kw_only and field not in defaults:
                raise TypeError(f"{name}.{field} has no default, but a field before it has one")
        extra = namespace.get("__slots__", ())
        namespace["__slots__"] = (*own, *((extra,) if isinstance(extra, str) else extra))
        fields = ((*inherited._fields, *own)) if inherited else tuple(own)
        namespace["_fields"] = namespace["__match_args__"] = fields
        namespace["_defaults"] = defaults
        keyword_only = kw_only or bool(inherited and inherited._keyword_only)
        namespace["_keyword_only"] = keyword_only
        namespace["_plain"] = -1 if keyword_only else len(fields)
        namespace["_tail"] = () if keyword_only else tuple([defaults[one] for one in fields if one in defaults])
        if "__post_init__" in namespace and "__init__" not in namespace:
            namespace["__init__"] = _checked_init
        made = super().__new__(cls, name, bases, namespace)
        own_setters = tuple(made.__dict__[field].__set__ for field in own)
        made._setters = (*inherited._setters, *own_setters) if inherited else own_setters
        return made


def _checked_init(self: "Record", *values: Any, **named: Any) -> None:
    Record.__init__(self, *values, **named)
    self.__post_init__()


def _rebuild(cls: "type[Record]", named: dict[str, Any]) -> "Record":
    return cls(**named)


def _show(value: object) -> str:
    if isinstance(value, bytes) and len(value) > _REPR_OCTETS:
        return f"<{len(value)} octets {value[:_REPR_OCTETS].hex()}...>"
    return repr(value)


class Record(metaclass=RecordMeta):
    """A frozen value: made once from its fields, compared and hashed by them, changed only by `replace`."""

    def __init__(self, *values: Any, **named: Any) -> None:
        # A handshake makes dozens of records: one comparison decides whether the values stand as given.
        cls = type(self)
        if named or len(values) != cls._plain:
            values = self._arrange(values, named)
        for put, value in zip(cls._setters, values):  # noqa: B905  # equally long by now; strict= costs a third
            put(self, value)

    def __post_init__(self) -> None:
        """Checks of a subclass; called after the fields are set, where the subclass defines it."""

    def _arrange(self, values: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        """Fields in order, from positional values, keywords and defaults; TypeError for a call that does not fit."""
        cls = type(self)
        left_out = cls._plain - len(values)
        if not named and 0 < left_out <= len(cls._tail):
            return values + cls._tail[-left_out:]
        fields = cls._fields
        if len(values) > len(fields) or (values and cls._keyword_only):
            limit = 0 if cls._keyword_only else len(fields)
            raise TypeError(f"{cls.__name__} takes {limit} positional arguments, {len(values)} were given")
        placed = dict(zip(fields, values, strict=False))
        for field, value in named.items():
            if field not in fields:
                raise TypeError(f"{cls.__name__} has no field {field!r}; its fields are {', '.join(fields)}")
            if field in placed:
                raise TypeError(f"{cls.__name__} got two values for {field!r}")
            placed[field] = value
        missing = [field for field in fields if field not in placed and field not in cls._defaults]
        if missing:
            raise TypeError(f"{cls.__name__} needs a value for {', '.join(missing)}")
        return tuple([placed[field] if field in placed else cls._defaults[field] for field in fields])

    def replace(self, **changes: Any) -> Self:
        """The same record with some fields changed; the checks of the class run again."""
        return type(self)(**{**self._as_dict(), **changes})

    def _as_dict(self) -> dict[str, Any]:
        return {field: getattr(self, field) for field in type(self)._fields}

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, field) for field in type(self)._fields])

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: use replace({name}=...)")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        shown = ", ".join([f"{field}={_show(getattr(self, field))}" for field in type(self)._fields])
        return f"{type(self).__name__}({shown})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self._as_dict())

    def __copy__(self) -> Self:
        return self
