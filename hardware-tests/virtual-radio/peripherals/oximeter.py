"""A pulse oximeter (Pulse Oximeter Service 1822): numeric comparison, spot checks by indication, a continuous stream."""

import asyncio
import struct

from bumble.core import UUID
from bumble.gatt import Service
from bumble.pairing import PairingDelegate

import wire
from cuff import Delivering
from peripheral import CAN


class Oximeter(Delivering):
    kind = "oximeter"
    capability = PairingDelegate.IoCapability.DISPLAY_OUTPUT_AND_YES_NO_INPUT
    authenticated = True
    services_advertised = (0x1822,)
    model = "Virtual Oximeter"

    def services(self):
        super().services()
        return [Service(UUID("1822"), [
            self.characteristic("2A5E", CAN.INDICATE),
            self.characteristic("2A5F", CAN.NOTIFY),
            # Measurement status and device status support, time stamps.
            self.characteristic("2A60", CAN.READ, struct.pack("<HH", 0x000B, 0xFFE0) + b"\xff\xff\x00"),
        ])]

    async def order_measure(self, order):
        """saturation, rate, [status], [device_status], [when or null], [clock_unset]."""
        flags, tail, when = 0, b"", order.get("when", "now")
        if when is not None:
            flags |= 1
            moment = self.clock.now().replace(microsecond=0) if when == "now" else wire.moment(when)
            order = order | {"when": moment.isoformat()}
            tail += wire.date_time(moment)
        if order.get("status") is not None:
            flags |= 2
            tail += struct.pack("<H", order["status"])
        if order.get("device_status") is not None:
            flags |= 4
            tail += order["device_status"].to_bytes(3, "little")
        if order.get("clock_unset") or self.clock.lost:
            flags |= 16
        octets = bytes([flags]) + wire.decimal(order["saturation"]) + wire.decimal(order["rate"]) + tail
        return await self.kept(order, [["2A5E", octets.hex()]])

    async def order_stream(self, order):
        """`count` continuous values, `every_ms` apart, to whoever is subscribed to 2A5F."""
        for number in range(order.get("count", 10)):
            octets = bytes([0]) + wire.sfloat(95 + number % 4) + wire.sfloat(70 + number % 7)
            await self.send("2A5F", octets)
            await asyncio.sleep(order.get("every_ms", 1000) / 1000)
