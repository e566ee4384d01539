#!/usr/bin/env python3
"""The wire of hub and gateway written a second time, from the page of `shared::wire` alone.

Prints wire-1.txt, against which the Rust types are tested in both directions:
    python3 wire_page.py > wire-1.txt
Lines: name | octets in hexadecimal. Only the standard library is used.
"""
import hashlib
import hmac
import zlib


def unsigned(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def signed(n):
    return unsigned(2 * n if n >= 0 else -2 * n - 1)


def octets(b):
    return unsigned(len(b)) + b


def text(s):
    return octets(s.encode())


def option(value, write=lambda v: v):
    return b"\0" if value is None else b"\1" + write(value)


def message(number, *parts):
    return unsigned(number) + b"".join(parts)


def u8(n):
    return bytes([n])


def record_id(boot, number):
    return unsigned(boot) + unsigned(number)


def stamp(ticks, utc):
    return unsigned(ticks) + option(utc, signed)


NONCE_H = bytes(range(16))
NONCE_G = bytes(range(16, 32))
KEY = bytes(range(100, 132))
PROMPT = bytes(range(0xA0, 0xB0))
UTC = 1_790_000_000_000

# Contents of records.
SAMPLE = message(0, u8(1), u8(8), u8(0), signed(71214), signed(0), signed(-5), u8(10), u8(2), u8(255))
ANSWER = message(1, PROMPT, u8(1), unsigned(1500))
ALERT = message(2, u8(0), u8(11), u8(1), u8(0))
HELP = message(3)
LOSS = message(4, unsigned(300), stamp(1000, None), stamp(9000, UTC))
RESTART = message(5, u8(2), unsigned(7), unsigned(41), unsigned(0x01020003))

# Messages to the gateway.
HELLO = message(0, unsigned(0xE660D4A0A7123456), unsigned(1), unsigned(0x01020003), b"\1", u8(0),
                unsigned(0xDEADBEEF), unsigned(0x11223344), unsigned(77), unsigned(42), u8(1),
                option((41, 9), lambda r: record_id(*r)), option(None), NONCE_H)
RECORD = message(1, record_id(42, 300), option((42, 299), lambda r: record_id(*r)), stamp(123456, UTC), octets(SAMPLE))
STATUS = message(2, stamp(60000, None), unsigned(5), unsigned(125), unsigned(0), unsigned(3), unsigned(9), u8(1))
PROMPT_STATE = message(3, PROMPT, u8(1))
LOG = message(4, unsigned(99), u8(2), unsigned(513), text("no room"))
UPDATE = message(5, u8(4), unsigned(16), unsigned(4096))
PAIR_ACCEPTED = message(6, unsigned(0xE660D4A0A7123456), unsigned(77), unsigned(0x11223344))
REFUSED_BY_HUB = message(7, unsigned(3), u8(8))

# Messages to the hub.
WELCOME = message(0, unsigned(0x1122334455667788), NONCE_G)
ACK = message(1, unsigned(77), record_id(42, 300))
PROMPT_DOWN = message(2, PROMPT, u8(3), b"\0", unsigned(3600), text("Bitte gleich messen. Grüße"),
                      unsigned(3), u8(1), text("Erledigt"), u8(2), text("Später"), u8(3), text("Hilfe"))
WITHDRAW = message(3, PROMPT)
CLOCK = message(4, signed(UTC), signed(120), option(UTC + 1, signed), signed(60))
SETTINGS = message(5, unsigned(9), b"de", unsigned(1320), unsigned(420), option(None), u8(2), b"\0", b"\0", b"\1")


def limits(*rules):
    return b"".join(option(r, lambda r: b"".join(signed(n) for n in r)) for r in rules)


# T1's level: 0 advisory, 1 urgent, 2 critical.
PERSON = message(6, u8(0), b"\1", b"\1", unsigned(1_700_000_000),
                 limits((54, 70), (70, 80), (400, 300), (250, 220), (70,), (180, 120, 170, 110),
                        (90, 100, 100), None, (130, 40, 120, 45), (92, 94), (94, 95), (136, 90),
                        (226, 200, 136)),
                 option((380, 375), lambda r: signed(r[0]) + signed(r[1]) + u8(1)))
LAST_READING = message(7, signed(UTC), b"\0", u8(0), text("Weight"), text("71.2 kg"), text("As expected"))
PAIR_OFFER = message(8, unsigned(0x1122334455667788), unsigned(77), KEY)
FORGET = message(9, b"\1")
UPDATE_BEGIN = message(10, unsigned(65536), unsigned(0x01020004), unsigned(2), bytes([1]) * 32,
                       bytes([2]) * 32, bytes([3]) * 32)
UPDATE_CHUNK = message(11, unsigned(512), octets(bytes(5)))
UPDATE_FINISH = message(12)
REFUSED_BY_GATEWAY = message(13, unsigned(1), u8(255))


def stuffed(data):
    """COBS, the plain way: runs of up to 254 octets without a zero."""
    out, run = b"", b""
    for b in data:
        if b:
            run += bytes([b])
            if len(run) == 254:
                out, run = out + b"\xff" + run, b""
        else:
            out, run = out + bytes([len(run) + 1]) + run, b""
    return out + bytes([len(run) + 1]) + run


def frame(content):
    return b"\0" + stuffed(content + zlib.crc32(content).to_bytes(4, "little")) + b"\0"


def hkdf(salt, key, info):
    prk = hmac.new(salt, key, hashlib.sha256).digest()
    return hmac.new(prk, info + b"\1", hashlib.sha256).digest()


def sealed(key, counter, payload):
    signed_part = bytes([1, 1]) + counter.to_bytes(4, "little") + payload
    return signed_part + hmac.new(key, signed_part, hashlib.sha256).digest()[:16]


HELLO_CONTENT = bytes([1, 0]) + HELLO
WELCOME_CONTENT = bytes([1, 0]) + WELCOME
sha = lambda b: hashlib.sha256(b).digest()
SALT = sha(sha(HELLO_CONTENT) + sha(WELCOME_CONTENT))
TO_GATEWAY = hkdf(SALT, KEY, b"hearth link 1 to gateway")
TO_HUB = hkdf(SALT, KEY, b"hearth link 1 to hub")

LINES = [
    ("content sample", SAMPLE), ("content answer", ANSWER), ("content alert", ALERT),
    ("content help", HELP), ("content loss", LOSS), ("content restart", RESTART),
    ("gateway hello", HELLO), ("gateway record", RECORD), ("gateway status", STATUS),
    ("gateway prompt_state", PROMPT_STATE), ("gateway log", LOG), ("gateway update", UPDATE),
    ("gateway pair_accepted", PAIR_ACCEPTED), ("gateway refused", REFUSED_BY_HUB),
    ("hub welcome", WELCOME), ("hub ack", ACK), ("hub prompt", PROMPT_DOWN), ("hub withdraw", WITHDRAW),
    ("hub clock", CLOCK), ("hub settings", SETTINGS), ("hub person", PERSON),
    ("hub last_reading", LAST_READING), ("hub pair_offer", PAIR_OFFER), ("hub forget", FORGET),
    ("hub update_begin", UPDATE_BEGIN), ("hub update_chunk", UPDATE_CHUNK),
    ("hub update_finish", UPDATE_FINISH), ("hub refused", REFUSED_BY_GATEWAY),
    ("frame hello", frame(HELLO_CONTENT)), ("frame 123456789", frame(b"123456789")),
    ("frame long", frame(bytes(1 + i % 255 for i in range(600)))),
    ("frame zeros", frame(bytes(300))),
    ("key check", hmac.new(KEY, b"hearth link 1 key check", hashlib.sha256).digest()[:4]),
    ("key nonce", hmac.new(KEY, (42).to_bytes(4, "little") + (3).to_bytes(4, "little"), hashlib.sha256).digest()[:16]),
    ("sealed status", sealed(TO_GATEWAY, 1, STATUS)), ("sealed ack", sealed(TO_HUB, 1, ACK)),
]

for name, data in LINES:
    print(f"{name} | {data.hex()}")
