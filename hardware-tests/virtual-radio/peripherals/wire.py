"""Characteristic octets, written from the specifications, apart from the gateway's decoders."""

import datetime
import struct

SFLOAT_SPECIAL = {"nan": 0x07FF, "nres": 0x0800, "+inf": 0x07FE, "-inf": 0x0802}


def sfloat(mantissa, exponent=0):
    """SFLOAT (IEEE 11073-20601): 12-bit mantissa, 4-bit exponent; or one of the special names."""
    if isinstance(mantissa, str):
        return struct.pack("<H", SFLOAT_SPECIAL[mantissa])
    if not -2048 <= mantissa <= 2047 or not -8 <= exponent <= 7:
        raise ValueError(f"{mantissa}e{exponent} is no SFLOAT")
    return struct.pack("<H", (exponent & 0xF) << 12 | mantissa & 0xFFF)


def decimal(value):
    """SFLOAT of a number as a person writes it: with as many decimals as are written."""
    if isinstance(value, str) and value in SFLOAT_SPECIAL:
        return sfloat(value)
    whole, _, fraction = str(value).partition(".")
    return sfloat(int(whole + fraction), -len(fraction))


def date_time(moment):
    """Date Time, 7 octets. `None`: every part unknown."""
    if moment is None:
        return bytes(7)
    return struct.pack("<HBBBBB", moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second)


def parse_date_time(octets):
    year, month, day, hour, minute, second = struct.unpack_from("<HBBBBB", octets)
    return datetime.datetime(year, month, day, hour, minute, second)


def current_time(moment, reason=0):
    """Current Time 2A2B, 10 octets."""
    return date_time(moment) + bytes([moment.isoweekday(), moment.microsecond * 256 // 1_000_000, reason])


def moment(text):
    return datetime.datetime.fromisoformat(text)
