#!/usr/bin/env python3
"""What somebody would write with bleak instead of Hearth: notices a device, connects, subscribes, keeps values in SQLite.

  bleak_reader.py scan   --name PREFIX [--seconds 20]
  bleak_reader.py pair   --name PREFIX --passkey-from FILE|NUMBER|order:DEVICE   (an agent on D-Bus answers)
  bleak_reader.py read   --name PREFIX --database FILE [--from-sequence N] [--window-s 5] [--consent USER:CODE] [--set-time]
  bleak_reader.py remove --name PREFIX
  bleak_reader.py dump   --database FILE       (every value kept so far: [characteristic, octets as hex])

`read` subscribes to whatever measurement the device has (2A18 and 2A34, 2A35, 2A9D and 2A9C, 2A5E), asks a glucose meter for
the records from sequence N on, and commits every value as it arrives. Every verb prints one JSON line; its times are in
seconds. Exit status 0: done.
"""

import argparse
import asyncio
import json
import pathlib
import socket
import sqlite3
import struct
import sys
import time

from bleak import BleakClient, BleakScanner
from bleak.exc import BleakError
from dbus_fast import BusType, DBusError
from dbus_fast.aio import MessageBus
from dbus_fast.message import Message
from dbus_fast.service import ServiceInterface, method

MEASUREMENTS = ("2a18", "2a34", "2a35", "2a9d", "2a9c", "2a5e")
CONTROL_POINT, CURRENT_TIME, DATE_TIME, USER_CONTROL = "2a52", "2a2b", "2a08", "2a9f"
AGENT = "/hearth/peer/agent"


def long(short):
    return f"0000{short}-0000-1000-8000-00805f9b34fb"


async def find(name, seconds):
    """The first advertisement of a device by the beginning of its name; `None` after the time."""
    seen = asyncio.get_running_loop().create_future()

    def on_advertisement(device, advertisement):
        if not seen.done() and (advertisement.local_name or device.name or "").startswith(name):
            seen.set_result((device, advertisement))

    async with BleakScanner(on_advertisement):
        try:
            return await asyncio.wait_for(seen, seconds)
        except TimeoutError:
            return None


class Agent(ServiceInterface):
    """Answers BlueZ's questions while pairing: types what the device shows, and agrees to a comparison."""

    def __init__(self, source):
        super().__init__("org.bluez.Agent1")
        self.source, self.asked = source, []

    async def passkey(self):
        if self.source.startswith("order:"):
            with socket.create_connection(("127.0.0.1", 7001), 20) as connection:
                order = {"device": self.source[6:], "order": "wait", "event": "displayed", "timeout_s": 20}
                connection.sendall(json.dumps(order).encode() + b"\n")
                return json.loads(connection.makefile().readline())["events"][-1]["passkey"]
        if self.source.isdigit():
            return int(self.source)
        return int(pathlib.Path(self.source).read_text())

    @method()
    def Release(self):
        pass

    @method()
    async def RequestPasskey(self, device: "o") -> "u":  # noqa: F821
        self.asked.append("passkey")
        try:
            return await self.passkey()
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise DBusError("org.bluez.Error.Rejected", repr(error)) from error

    @method()
    def RequestConfirmation(self, device: "o", passkey: "u"):  # noqa: F821
        self.asked.append("comparison")

    @method()
    def RequestAuthorization(self, device: "o"):  # noqa: F821
        self.asked.append("authorization")

    @method()
    def Cancel(self):
        self.asked.append("cancelled")


async def call(bus, path, interface, member, signature="", body=()):
    answer = await bus.call(Message(
        destination="org.bluez", path=path, interface=interface, member=member, signature=signature, body=list(body)))
    if answer.error_name:
        raise RuntimeError(f"{member}: {answer.error_name}: {answer.body}")
    return answer.body


async def pair(options):
    found = await find(options.name, options.seconds)
    if found is None:
        return {"error": "not found"}
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    agent = Agent(options.passkey_from)
    bus.export(AGENT, agent)
    await call(bus, "/org/bluez", "org.bluez.AgentManager1", "RegisterAgent", "os", (AGENT, "KeyboardDisplay"))
    await call(bus, "/org/bluez", "org.bluez.AgentManager1", "RequestDefaultAgent", "o", (AGENT,))
    started = time.monotonic()
    path = found[0].details["path"]
    try:
        await asyncio.wait_for(call(bus, path, "org.bluez.Device1", "Pair"), options.timeout_s)
    except (RuntimeError, TimeoutError) as error:
        return {"error": repr(error), "asked": agent.asked}
    seconds = round(time.monotonic() - started, 2)
    await call(bus, path, "org.bluez.Device1", "Disconnect")
    return {"paired": found[0].address, "asked": agent.asked, "pair_s": seconds}


async def read(options):
    database = sqlite3.connect(options.database, isolation_level=None)
    database.execute("pragma journal_mode=wal")
    database.execute("pragma synchronous=full")
    database.execute("create table if not exists value (id integer primary key, at real, characteristic text, octets blob)")
    started = time.monotonic()
    found = await find(options.name, options.seconds)
    if found is None:
        return {"error": "not found"}
    result = {"seen_s": round(time.monotonic() - started, 2), "values": 0, "answer": None}
    ended, news = asyncio.Event(), asyncio.Event()
    client = BleakClient(found[0], disconnected_callback=lambda _: (ended.set(), news.set()), timeout=options.timeout_s)
    started = time.monotonic()
    await client.connect()
    result["connected_s"] = round(time.monotonic() - started, 2)
    try:
        there = {it.uuid[4:8] for service in client.services for it in service.characteristics}

        def on_value(characteristic, octets):
            database.execute("insert into value (at, characteristic, octets) values (?, ?, ?)",
                             (time.time(), characteristic.uuid[4:8], bytes(octets)))
            result["values"] += 1
            news.set()

        def on_control(_characteristic, octets):
            result["answer"] = octets.hex()
            news.set()

        if options.set_time:
            now = time.localtime()
            stamp = struct.pack("<HBBBBB", now.tm_year, now.tm_mon, now.tm_mday, now.tm_hour, now.tm_min, now.tm_sec)
            if CURRENT_TIME in there:
                stamp += bytes([now.tm_wday + 1, 0, 1])
            await client.write_gatt_char(long(CURRENT_TIME if CURRENT_TIME in there else DATE_TIME), stamp, response=True)
        for short in MEASUREMENTS:
            if short in there:
                await client.start_notify(long(short), on_value)
        started = time.monotonic()
        if USER_CONTROL in there and options.consent:
            user, code = map(int, options.consent.split(":"))
            await client.start_notify(long(USER_CONTROL), on_control)
            await client.write_gatt_char(long(USER_CONTROL), struct.pack("<BBH", 2, user, code), response=True)
        if CONTROL_POINT in there:
            await client.start_notify(long(CONTROL_POINT), on_control)
            request = struct.pack("<BBBH", 1, 3, 1, options.from_sequence)
            await client.write_gatt_char(long(CONTROL_POINT), request, response=True)
        while not ended.is_set() and not (CONTROL_POINT in there and result["answer"]):
            news.clear()
            try:
                await asyncio.wait_for(news.wait(), options.window_s)
            except TimeoutError:
                break
        result["values_s"] = round(time.monotonic() - started, 2)
    finally:
        result["ended_by_device"] = ended.is_set()
        await client.disconnect()
    return result


async def scan(options):
    started = time.monotonic()
    found = await find(options.name, options.seconds)
    if found is None:
        return {"error": "not found"}
    return {"address": found[0].address, "name": found[1].local_name, "rssi": found[1].rssi,
            "seen_s": round(time.monotonic() - started, 2)}


async def remove(options):
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    objects = (await call(bus, "/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"))[0]
    for path, interfaces in objects.items():
        name = interfaces.get("org.bluez.Device1", {}).get("Name")
        if name and name.value.startswith(options.name):
            await call(bus, path.rpartition("/")[0], "org.bluez.Adapter1", "RemoveDevice", "o", (path,))
            return {"removed": path}
    return {"error": "not found"}


async def dump(options):
    database = sqlite3.connect(options.database)
    return {"values": [[short, octets.hex()] for short, octets in database.execute(
        "select characteristic, octets from value order by id")]}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("verb", choices=["scan", "pair", "read", "remove", "dump"])
    options.add_argument("--name", default="")
    options.add_argument("--seconds", type=float, default=20)
    options.add_argument("--timeout-s", type=float, default=60)
    options.add_argument("--passkey-from", default="0")
    options.add_argument("--database", default=":memory:")
    options.add_argument("--from-sequence", type=int, default=0)
    options.add_argument("--window-s", type=float, default=5)
    options.add_argument("--consent")
    options.add_argument("--set-time", action="store_true")
    options = options.parse_args()
    try:
        verbs = {"scan": scan, "pair": pair, "read": read, "remove": remove, "dump": dump}
        result = asyncio.run(verbs[options.verb](options))
    except (BleakError, TimeoutError, EOFError, RuntimeError) as error:
        result = {"error": repr(error)}
    print(json.dumps(result))
    sys.exit("error" in result)


if __name__ == "__main__":
    main()
