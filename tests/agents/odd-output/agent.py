"""Values that JSON has no word for, in a result."""

import collections
import dataclasses
import datetime
import decimal


@dataclasses.dataclass
class Place:
    name: str


def run(input):
    circular = [1]
    circular.append(circular)
    return {
        "bytes": b"caf\xc3\xa9",
        "set": {input},
        "dataclass": Place("Oslo"),
        "date": datetime.date(2026, 1, 2),
        "decimal": decimal.Decimal("1.50"),
        "named": collections.namedtuple("Pair", "a b")(1, 2),
        "circular": circular,
        ("a", 1): "odd key",
    }
