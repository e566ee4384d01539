#!/usr/bin/env python3
"""What somebody would write instead of Hearth: reading in, durable, rule, alert out.

Lines of hex (Glucose Measurement 2A18, kg/L) on standard input; SQLite in WAL mode with synchronous=FULL, one commit
per --batch lines; a limit rule (below 54 or above 400 mg/dL); readings and alerts published with QoS 1 (paho-mqtt), and
waited for at the end. Prints one JSON line: readings, alerts, seconds.
"""
import argparse
import datetime
import json
import sqlite3
import struct
import sys
import time

import paho.mqtt.client as mqtt

SPECIAL = {0x07FF, 0x0800, 0x07FE, 0x0802, 0x0801}


def sfloat(raw):
    if raw in SPECIAL:
        return None
    exponent, mantissa = raw >> 12, raw & 0xFFF
    exponent = exponent - 16 if exponent >= 8 else exponent
    mantissa = mantissa - 4096 if mantissa >= 2048 else mantissa
    return mantissa * 10.0**exponent


def decode(octets):
    flags, sequence, year, month, day, hour, minute, second = struct.unpack_from("<BHHBBBBB", octets)
    at = datetime.datetime(year, month, day, hour, minute, second)
    offset = 10
    if flags & 1:
        at += datetime.timedelta(minutes=struct.unpack_from("<h", octets, offset)[0])
        offset += 2
    value = None
    if flags & 2:
        raw = sfloat(struct.unpack_from("<H", octets, offset)[0])
        value = None if raw is None else round(raw * (1000 * 18.0156 if flags & 4 else 100000))
    return sequence, at.isoformat(), value


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--database", required=True)
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--batch", type=int, default=100)
    options = options.parse_args()
    database = sqlite3.connect(options.database, isolation_level=None)
    database.execute("pragma journal_mode=wal")
    database.execute("pragma synchronous=full")
    database.execute("create table reading (id integer primary key, sequence integer, at text, value integer, raw blob)")
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.max_queued_messages_set(0)
    client.max_inflight_messages_set(100)
    client.connect("127.0.0.1", options.port)
    client.loop_start()
    started, readings, alerts, last, batch = time.monotonic(), 0, 0, None, []

    def commit():
        nonlocal alerts, last
        database.execute("begin immediate")
        database.executemany("insert into reading (sequence, at, value, raw) values (?, ?, ?, ?)", batch)
        database.execute("commit")
        for sequence, at, value, _ in batch:
            body = {"sequence": sequence, "at": at, "value": value}
            last = client.publish("script/observations", json.dumps(body), qos=1)
            if value is not None and (value < 54 or value > 400):
                alerts += 1
                last = client.publish("script/alerts", json.dumps(body | {"rule": "limit"}), qos=1)
        batch.clear()

    for line in sys.stdin:
        octets = bytes.fromhex(line)
        batch.append((*decode(octets), octets))
        readings += 1
        if len(batch) >= options.batch:
            commit()
    if batch:
        commit()
    if last is not None:
        last.wait_for_publish(120)
    print(json.dumps({"readings": readings, "alerts": alerts, "seconds": time.monotonic() - started}))


if __name__ == "__main__":
    main()
