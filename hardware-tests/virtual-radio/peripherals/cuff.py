"""A blood pressure cuff (Blood Pressure Service 1810): Just Works bond, indications; forgets what was confirmed."""

import struct

from bumble.core import UUID
from bumble.gatt import Service

import wire
from peripheral import CAN, Peripheral


class Delivering(Peripheral):
    """A device that indicates what it has kept once somebody subscribed, and forgets what was confirmed."""

    def services(self):
        self.pending, self.confirmed = [], []
        return []

    def due(self):
        """The next kept value that may be sent now: its record and the (characteristic, octets) still to send."""
        return next(iter(self.pending), None)

    async def on_ready(self):
        delivered = 0
        while self.secured() and (record := self.due()):
            while record["octets"]:
                uuid, octets = record["octets"][0]
                if not self.subscribed(uuid):
                    return
                await self.send(uuid, bytes.fromhex(octets))
                record.setdefault("sent", []).append([uuid, octets])
                record["octets"].pop(0)
            self.pending.remove(record)
            record["octets"] = record.pop("sent")
            self.confirmed.append(record)
            delivered += 1
        if delivered and not self.pending:
            await self.end_link()

    def keep(self, order, octets):
        record = {key: value for key, value in order.items() if key not in ("order", "device", "quiet")}
        record |= {"number": len(self.pending) + len(self.confirmed) + 1, "octets": octets}
        self.pending.append(record)
        return record

    def holds(self, _order):
        return {"pending": self.pending, "confirmed": self.confirmed}

    async def kept(self, order, octets):
        record = self.keep(order, octets)
        if not order.get("quiet"):
            await self.open_window()
        if self.connection:
            self.wake()
        return {"record": record}


class Cuff(Delivering):
    kind = "cuff"
    services_advertised = (0x1810,)
    model = "Virtual Cuff"

    def defaults(self):
        # time: "date_time" (2A08 in the service), "current_time" (2A2B), "none". slots: user slots, 0 for none.
        return {"time": "date_time", "slots": 2, "ends_link": True, "address_type": "random"}

    def services(self):
        super().services()
        date_time = [self.date_time()] if self.settings["time"] == "date_time" else []
        return [Service(UUID("1810"), [
            self.characteristic("2A35", CAN.INDICATE),
            self.characteristic("2A36", CAN.NOTIFY),
            self.characteristic("2A49", CAN.READ, struct.pack("<H", 0x003F)),
        ] + date_time)]

    async def on_ready(self):
        # Some makers tell their time first and expect it to be set in answer.
        if self.settings["time"] == "current_time" and self.secured() and self.subscribed("2A2B") and not self.told:
            self.told = True
            await self.send("2A2B", wire.current_time(self.clock.now()))
        await super().on_ready()

    def on_connection(self, connection):
        self.told = False
        super().on_connection(connection)

    async def order_measure(self, order):
        """systolic, diastolic, pulse, [mean], [kpa], [user], [status], [when: "..." or null for no time stamp]."""
        if order.get("user") is not None and self.settings["slots"] and not (
                1 <= order["user"] <= self.settings["slots"] or order["user"] == 0xFF):
            raise ValueError(f"the cuff has {self.settings['slots']} slots")
        flags, tail = int(bool(order.get("kpa"))), b""
        when = order.get("when", "now")
        if when is not None:
            flags |= 2
            moment = self.clock.now().replace(microsecond=0) if when == "now" else wire.moment(when)
            order = order | {"when": moment.isoformat()}
            tail += wire.date_time(moment)
        if order.get("pulse") is not None:
            flags |= 4
            tail += wire.decimal(order["pulse"])
        if order.get("user") is not None:
            flags |= 8
            tail += bytes([order["user"]])
        if order.get("status") is not None:
            flags |= 16
            tail += struct.pack("<H", order["status"])
        octets = bytes([flags]) + wire.decimal(order["systolic"]) + wire.decimal(order["diastolic"])
        octets += wire.decimal(order.get("mean", "nan")) + tail
        return await self.kept(order, [["2A35", octets.hex()]])
