"""What all devices have in common: radio, bonds, a clock, a battery, a record of what happened, orders from the host."""

import asyncio
import datetime
import struct
import time

from bumble import att
from bumble.att import ATT_Error
from bumble.core import AdvertisingData, UUID
from bumble.device import Device
from bumble.gatt import (
    GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR, Characteristic, CharacteristicValue, Descriptor, Service)
from bumble.hci import Address, OwnAddressType
from bumble.host import Host
from bumble.keys import MemoryKeyStore
from bumble.pairing import PairingConfig, PairingDelegate

import wire
from air import RadioController

CAN, MAY = Characteristic.Properties, Characteristic.Permissions
CCCD_IMPROPER, PROCEDURE_IN_PROGRESS, OUT_OF_RANGE = 0xFD, 0xFE, 0xFF
KEPT_EVENTS = 20_000


def refuse(code):
    raise ATT_Error(error_code=code)


class Clock:
    """A device's own clock: local wall time, with an offset from UTC and a drift, that can be set and lost."""

    LOST = datetime.datetime(2020, 1, 1)

    def __init__(self):
        self.offset_s, self.drift_ppm, self.anchor = 0.0, 0.0, time.time()
        self.lost = False

    def now(self):
        true = time.time()
        drift_s = (true - self.anchor) * self.drift_ppm / 1e6
        return datetime.datetime.fromtimestamp(true + self.offset_s + drift_s, datetime.UTC).replace(tzinfo=None)

    def set(self, moment):
        self.anchor = time.time()
        self.offset_s = moment.replace(tzinfo=datetime.UTC).timestamp() - self.anchor
        self.lost = False

    def reset(self):
        """The batteries were out: the clock starts at its maker's date."""
        self.set(self.LOST)
        self.lost = True


class Person(PairingDelegate):
    """The person in front of the device: reads its display, presses its buttons."""

    def __init__(self, device, capability):
        # Simple devices have no private addresses, so they have no identity key to give away.
        super().__init__(
            capability, PairingDelegate.KeyDistribution.DISTRIBUTE_ENCRYPTION_KEY,
            PairingDelegate.KeyDistribution.DISTRIBUTE_ENCRYPTION_KEY)
        self.device = device

    async def accept(self):
        allowed = self.device.pairing or not self.device.settings["pairing_mode_only"]
        self.device.note("pairing_asked", accepted=allowed)
        return allowed

    async def generate_passkey(self):
        fixed = self.device.settings["passkey"]
        return await super().generate_passkey() if fixed is None else fixed

    async def display_number(self, number, digits):
        self.device.displayed = number
        self.device.note("displayed", passkey=number)

    async def compare_numbers(self, number, digits):
        self.device.displayed = number
        self.device.note("compare", passkey=number)
        answer = self.device.settings["confirm"]
        if answer == "ask":
            self.device.answer = asyncio.get_running_loop().create_future()
            answer = "yes" if await self.device.answer else "no"
        return answer == "yes"

    async def confirm(self, auto=False):
        return True


class Peripheral:
    """One device. A kind adds services, `measure`, `holds`, and what it does once somebody has subscribed."""

    kind = "device"
    capability = PairingDelegate.IoCapability.NO_OUTPUT_NO_INPUT
    authenticated = False  # Whether its values need a passkey or a comparison, not only encryption.
    services_advertised = ()
    model = "Model"

    def __init__(self, air, name, address, settings=None):
        self.air, self.name = air, name
        self.settings = {
            "address_type": "public", "secure": True, "pairing_mode_only": True, "passkey": None, "confirm": "yes",
            "advertise_s": 180, "interval_ms": 100, "pace_ms": 4, "battery": 87, "serial": "12345678",
            "unasked": [], "ends_link": False, "end_after_s": 1.0, "time": "current_time", "advertised_name": None,
        } | self.defaults() | (settings or {})
        public = self.settings["address_type"] == "public"
        kind = Address.PUBLIC_DEVICE_ADDRESS if public else Address.RANDOM_DEVICE_ADDRESS
        self.address = Address(address, kind)
        self.controller = RadioController(name, air, public_address=address if public else None)
        if not public:
            self.controller.random_address = self.address
        host = Host()
        host.controller = self.controller
        self.device = Device(name=name, host=host, address=self.address)
        self.device.keystore = MemoryKeyStore()
        self.device.pairing_config_factory = lambda _: PairingConfig(
            sc=True, mitm=self.authenticated, bonding=True, delegate=Person(self, self.capability),
            identity_address_type=kind)
        self.clock, self.battery = Clock(), self.settings["battery"]
        self.pairing, self.displayed, self.answer = False, None, None
        self.connection, self.window, self.worker = None, None, None
        self.delivered = False  # Whether this connection has seen a complete transfer.
        self.vanishing = None  # Values still to send before the battery falls out.
        self.sent = 0
        self.events, self.first_event, self.waiting = [], 0, set()
        self.by_uuid = {}
        for service in self.all_services():
            self.device.add_service(service)
        self.device.on("connection", self.on_connection)

    # ---- what a kind adds

    def defaults(self):
        return {}

    def services(self):
        return []

    async def on_ready(self):
        """Somebody subscribed, was encrypted, or wrote: whether there is something to send."""

    def holds(self, _order):
        return {}

    # ---- services

    def characteristic(self, uuid, properties, read=None, write=None, secure=True):
        """A characteristic; where the device is secure, its value and its subscription need the bond."""
        permissions, subscription = MAY(0), MAY.READABLE | MAY.WRITEABLE
        if properties & CAN.READ:
            permissions |= MAY.READABLE
        if properties & (CAN.WRITE | CAN.WRITE_WITHOUT_RESPONSE):
            permissions |= MAY.WRITEABLE
        if secure and self.settings["secure"]:
            reading, writing = MAY.READ_REQUIRES_ENCRYPTION, MAY.WRITE_REQUIRES_ENCRYPTION
            if self.authenticated:
                reading |= MAY.READ_REQUIRES_AUTHENTICATION
                writing |= MAY.WRITE_REQUIRES_AUTHENTICATION
            permissions |= reading if properties & CAN.READ else MAY(0)
            permissions |= writing if properties & (CAN.WRITE | CAN.WRITE_WITHOUT_RESPONSE) else MAY(0)
            subscription |= writing
        value = read if isinstance(read, bytes) else CharacteristicValue(read=read, write=write)
        found = Characteristic(UUID(uuid), properties, permissions, value)
        if properties & (CAN.NOTIFY | CAN.INDICATE):
            found.descriptors = (Descriptor(
                GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR, subscription,
                self.device.gatt_server.make_descriptor_value(found)),)
            found.on(found.EVENT_SUBSCRIPTION, lambda _bearer, notify, indicate: self.on_subscription(
                uuid, notify, indicate))
        self.by_uuid[uuid] = found
        return found

    def all_services(self):
        text = lambda value: value.encode()
        identity = [
            self.characteristic(uuid, CAN.READ, text(value), secure=False)
            for uuid, value in (("2A29", "Hearth Test Devices"), ("2A24", self.model),
                                ("2A25", self.settings["serial"]), ("2A26", "1.0"))]
        battery = self.characteristic(
            "2A19", CAN.READ | CAN.NOTIFY, lambda _: bytes([self.battery]), secure=False)
        services = [Service(UUID("180A"), identity), Service(UUID("180F"), [battery])]
        if self.settings["time"] == "current_time":
            now = self.characteristic(
                "2A2B", CAN.READ | CAN.WRITE | CAN.NOTIFY, lambda _: wire.current_time(self.clock.now()),
                self.on_time_written)
            services.append(Service(UUID("1805"), [now]))
        return services + self.services()

    def date_time(self):
        """2A08 inside the measurement service, as some makers have it."""
        return self.characteristic(
            "2A08", CAN.READ | CAN.WRITE, lambda _: wire.date_time(self.clock.now()), self.on_time_written)

    def on_time_written(self, _connection, value):
        value = bytes(value)
        try:
            moment = wire.parse_date_time(value)
        except (ValueError, struct.error):
            self.note("time_refused", octets=value.hex())
            refuse(0x80)
        before = self.clock.now()
        self.set_clock(moment)
        self.note("time_set", octets=value.hex(), before=before.isoformat(), to=moment.isoformat())
        self.wake()

    def set_clock(self, moment):
        self.clock.set(moment)

    # ---- what happened

    def note(self, event, **more):
        entry = {"number": self.first_event + len(self.events), "at": round(time.time(), 3), "event": event} | more
        self.events.append(entry)
        if len(self.events) > KEPT_EVENTS:
            self.events.pop(0)
            self.first_event += 1
        if event not in ("sent", "confirmed"):
            print(f"{entry['at']:.3f} {self.name}: {event} {more or ''}", flush=True)

        for waiting in self.waiting:
            waiting.set()

    def events_since(self, since, kind=None):
        return [it for it in self.events[max(0, since - self.first_event):] if kind in (None, it["event"])]

    async def wait_for(self, kind, since, count, timeout_s):
        news = asyncio.Event()

        async def enough():
            while len(self.events_since(since, kind)) < count:
                news.clear()
                await news.wait()

        self.waiting.add(news)
        try:
            await asyncio.wait_for(enough(), timeout_s)
        except TimeoutError:
            seen = [it["event"] for it in self.events_since(since)][-20:]
            raise ValueError(f"no {count} times {kind!r} within {timeout_s} s; since then: {seen}") from None
        finally:
            self.waiting.discard(news)
        return self.events_since(since, kind)

    # ---- the radio

    async def power_on(self):
        await self.device.power_on()

    def on_connection(self, connection):
        self.connection, self.delivered, self.sent = connection, False, 0
        self.note("connected", peer=str(connection.peer_address))
        connection.on("disconnection", lambda reason: self.on_disconnection(connection, reason))
        connection.on("connection_encryption_change", self.on_encryption)
        connection.on("pairing", self.on_paired)
        connection.on("pairing_failure", lambda reason: self.note("pairing_failed", reason=str(reason)))
        if self.settings["unasked"]:
            self.start(self.send_unasked())

    def on_paired(self, keys):
        self.pairing = False  # One pairing, then pairing mode is over.
        self.know_authenticated(keys)
        self.note("paired", authenticated=bool(self.connection and self.connection.authenticated))
        self.wake()

    def know_authenticated(self, keys):
        # Bumble takes every encrypted link for an authenticated one; what counts is how the key came about.
        if self.connection and keys and keys.ltk:
            self.connection.authenticated = bool(keys.ltk.authenticated)

    def on_encryption(self):
        async def look():
            if connection := self.connection:
                self.know_authenticated(await self.device.keystore.get(str(connection.peer_address)))
                self.note("encrypted", authenticated=bool(connection.authenticated))
                self.wake()

        asyncio.get_running_loop().create_task(look())

    def on_subscription(self, uuid, notify, indicate):
        self.note("subscribed", characteristic=uuid, notify=notify, indicate=indicate)
        self.wake()

    def on_disconnection(self, connection, reason):
        if self.connection is not connection:
            return
        self.connection = None
        if self.worker:
            self.worker.cancel()
            self.worker = None
        self.note("disconnected", reason=int(reason))
        # A device shows itself again only while it still has something to say.
        if self.window and (self.pairing or not self.delivered):
            self.start_advertising_soon()
        elif self.window:
            self.close_window()

    def start_advertising_soon(self):
        async def again():
            try:
                await self.advertise()
            except Exception as error:  # The next order tells; this one has nobody to tell.
                self.note("failed", error=repr(error))

        asyncio.get_running_loop().create_task(again())

    async def advertise(self):
        name = self.settings["advertised_name"] or self.name
        # Limited or general discoverable only in pairing mode: a bonded device hides from plain scans.
        flags = 0x06 if self.pairing else 0x04
        parts = [(AdvertisingData.FLAGS, bytes([flags])),
                 (AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
                  b"".join(struct.pack("<H", it) for it in self.services_advertised)),
                 (AdvertisingData.COMPLETE_LOCAL_NAME, name.encode())]
        data = bytes(AdvertisingData(parts))
        if len(data) > 31:
            raise ValueError(f"{len(data)} octets do not fit into an advertisement: shorten the name")
        if self.connection:
            return
        public = self.settings["address_type"] == "public"
        await self.device.start_advertising(
            own_address_type=OwnAddressType.PUBLIC if public else OwnAddressType.RANDOM, advertising_data=data,
            advertising_interval_min=self.settings["interval_ms"], advertising_interval_max=self.settings["interval_ms"])
        self.note("advertising", pairing=self.pairing)

    async def open_window(self, seconds=None):
        """Shows itself for a while, as after a measurement."""
        if self.window:
            self.window.cancel()
        seconds = self.settings["advertise_s"] if seconds is None else seconds
        self.window = asyncio.get_running_loop().call_later(seconds, self.close_window)
        await self.advertise()

    def close_window(self):
        if self.window:
            self.window.cancel()
        self.window, self.pairing = None, False

        async def stop():
            await self.device.stop_advertising()
            self.note("hidden")

        asyncio.get_running_loop().create_task(stop())

    async def turn_off(self):
        if self.window:
            self.window.cancel()
        self.window, self.pairing = None, False
        await self.device.stop_advertising()
        if self.connection:
            await self.connection.disconnect()

    def vanish(self):
        """Battery out, or out of reach: no goodbye."""
        if self.window:
            self.window.cancel()
        self.window, self.pairing, self.vanishing = None, False, None
        self.note("vanished")
        self.device.legacy_advertiser = None
        self.air.fall_silent(self.controller)

    # ---- sending

    def subscribed(self, uuid):
        if not self.connection:
            return False
        value = self.device.gatt_server.subscribers.get(self.connection, {}).get(self.by_uuid[uuid].handle, b"\0\0")
        wanted = 2 if self.by_uuid[uuid].properties & CAN.INDICATE else 1
        return bool(value[0] & wanted)

    def secured(self):
        """Whether the link is as this device demands it."""
        if not self.connection:
            return False
        if not self.settings["secure"]:
            return True
        return bool(self.connection.encryption) and (not self.authenticated or bool(self.connection.authenticated))

    async def send(self, uuid, octets, force=False):
        """One notification or indication; returns once an indication was confirmed. Raises when the link is gone."""
        connection, found = self.connection, self.by_uuid[uuid]
        if not connection:
            raise ConnectionError("not connected")
        indicate = bool(found.properties & CAN.INDICATE)
        self.sent += 1
        self.note("sent", characteristic=uuid, octets=octets.hex())
        last = self.vanishing is not None and self.sent >= self.vanishing["after"]
        if indicate:
            work = asyncio.ensure_future(self.device.indicate_subscriber(connection, found, octets, force))
            if last and self.vanishing["unconfirmed"]:
                # The air carries the value; the confirmation comes to nobody.
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                self.vanish()
                work.cancel()
                raise ConnectionError("vanished")
            await work
            self.note("confirmed", characteristic=uuid, octets=octets.hex())
        else:
            await self.device.notify_subscriber(connection, found, octets, force)
        if last:
            self.vanish()
            raise ConnectionError("vanished")
        # A connection event carries a few packets; without a pause the host's socket would overflow, as no air does.
        await asyncio.sleep(0 if indicate else self.settings["pace_ms"] / 1000)
        if self.connection is not connection:
            raise ConnectionError("disconnected")

    async def send_unasked(self):
        """A hostile device: values that nobody subscribed to, on an open link, at once."""
        for uuid, octets in self.settings["unasked"]:
            await self.send(uuid, bytes.fromhex(octets), force=True)
        self.note("unasked_sent", count=len(self.settings["unasked"]))

    def start(self, work):
        async def run():
            try:
                await work
            except (ConnectionError, TimeoutError, asyncio.CancelledError):
                pass
            except Exception as error:
                self.note("failed", error=repr(error))

        self.worker = asyncio.get_running_loop().create_task(run())

    def wake(self):
        if self.worker is None or self.worker.done():
            self.start(self.on_ready())

    async def end_link(self):
        """Some devices end the link themselves once they are done."""
        self.delivered = True
        self.note("delivered")
        if self.settings["ends_link"] and self.connection:
            await asyncio.sleep(self.settings["end_after_s"])
            if self.connection:
                await self.connection.disconnect()

    # ---- orders

    async def obey(self, order):
        """Carries out one order of the host; the answer is a dictionary."""
        act = getattr(self, "order_" + order["order"], None)
        if act is None:
            known = sorted(it[6:] for it in dir(self) if it.startswith("order_"))
            raise ValueError(f"{self.kind} knows no order {order['order']!r}; it knows {', '.join(known)}")
        return await act(order) or {}

    async def order_describe(self, _order):
        return {"kind": self.kind, "name": self.name, "address": str(self.address).split("/")[0],
                "settings": self.settings, "connected": self.connection is not None, "pairing": self.pairing,
                "bonds": len(await self.device.keystore.get_all()), "battery": self.battery,
                "clock": self.clock.now().isoformat(), "next_event": self.first_event + len(self.events)}

    async def order_on(self, order):
        self.pairing = bool(order.get("pairing", False))
        await self.open_window(order.get("seconds"))

    async def order_off(self, _order):
        await self.turn_off()

    async def order_vanish(self, order):
        """At once, or `after` so many values of this or the next connection; `unconfirmed`: before the last answer."""
        after = order.get("after")
        if after is None:
            self.vanish()
        else:
            self.vanishing = {"after": after, "unconfirmed": bool(order.get("unconfirmed", False))}

    async def order_forget(self, _order):
        self.device.keystore = MemoryKeyStore()

    async def order_set(self, order):
        """Changes settings; an unknown one is an error."""
        for key, value in order.items():
            if key in ("order", "device"):
                continue
            if key not in self.settings:
                raise ValueError(f"no setting {key!r}; there are {', '.join(sorted(self.settings))}")
            self.settings[key] = value

    async def order_battery(self, order):
        self.battery = order["percent"]
        await self.device.notify_subscribers(self.by_uuid["2A19"], bytes([self.battery]))

    async def order_clock(self, order):
        """`set` to a local time, `offset_s` from UTC, `drift_ppm`, or `reset` as by an empty battery."""
        if order.get("reset"):
            self.clock.reset()
        if "set" in order:
            self.clock.set(wire.moment(order["set"]))
        if "offset_s" in order:
            self.clock.offset_s, self.clock.anchor, self.clock.lost = order["offset_s"], time.time(), False
        if "drift_ppm" in order:
            self.clock.anchor, self.clock.drift_ppm = time.time(), order["drift_ppm"]
        return {"clock": self.clock.now().isoformat(), "lost": self.clock.lost,
                "written": self.events_since(0, "time_set")}

    async def order_displayed(self, _order):
        return {"passkey": self.displayed}

    async def order_press(self, order):
        """The person answers a comparison (setting confirm = "ask")."""
        if self.answer is None or self.answer.done():
            raise ValueError("nothing is being asked")
        self.answer.set_result(bool(order.get("yes", True)))

    async def order_send(self, order):
        """Raw octets on a characteristic, whoever is subscribed; `force` sends without a subscription."""
        octets = bytes.fromhex(order["octets"])
        await asyncio.wait_for(self.send(order["characteristic"], octets, bool(order.get("force"))), 20)
        return {"mtu": self.connection.att_mtu if self.connection else None}

    async def order_hold(self, order):
        return self.holds(order)

    async def order_events(self, order):
        found = self.events_since(order.get("since", 0), order.get("event"))
        return {"events": found, "next_event": self.first_event + len(self.events)}

    async def order_wait(self, order):
        found = await self.wait_for(
            order["event"], order.get("since", 0), order.get("count", 1), order.get("timeout_s", 60))
        return {"events": found, "next_event": self.first_event + len(self.events)}
