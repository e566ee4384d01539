"""Runs in the guest: the emulated air with its devices, and port 7001, which takes one JSON order a line.

  {"device": "meter", "order": "measure", "mg_dl": 104}  ->  {"ok": true, "at": 1760000000.123, ...}
  {"device": "x", "order": "on"}                         ->  {"ok": false, "at": ..., "error": "no device x; ..."}

README.md beside the folder lists devices and orders. Orders of one connection are carried out one after the other;
connections do not wait for each other, so that one can wait for an event that another one causes.
"""

import asyncio
import json
import logging
import sys
import time

from bumble.transport import open_transport

import wire
from air import Air, Flood, GatewayController
from cuff import Cuff
from meter import Meter
from oximeter import Oximeter
from scale import Scale

KINDS = {it.kind: it for it in (Meter, Cuff, Scale, Oximeter)}
# What is there from the start. Addresses: two public ones of nobody's block, two static random ones.
HOUSEHOLD = (
    ("meter", "meter", "meter+12345678", "00:A0:50:00:00:01", {}),
    ("cuff", "cuff", "Virtual Cuff", "C0:DE:00:00:00:02", {}),
    ("scale", "scale", "Virtual Scale", "C0:DE:00:00:00:03", {}),
    ("oximeter", "oximeter", "VirtualOx_0004", "00:A0:50:00:00:04", {}),
)


class Radio:
    def __init__(self, air, gateway):
        self.air, self.gateway, self.flood, self.devices = air, gateway, Flood(gateway), {}

    async def create(self, label, kind, name, address, settings):
        if label in self.devices or label == "air":
            raise ValueError(f"there is a device {label!r} already")
        if kind not in KINDS:
            raise ValueError(f"no kind {kind!r}; there are {', '.join(KINDS)}")
        device = KINDS[kind](self.air, name, address, settings)
        await device.power_on()
        self.devices[label] = device
        return await device.order_describe({})

    async def obey(self, order):
        label = order.get("device", "air")
        if label == "air":
            return await self.obey_air(order)
        if order["order"] == "create":
            return await self.create(
                label, order["kind"], order.get("name", label), order["address"], order.get("settings"))
        if order["order"] == "twin":
            # Claims another device's name and address, demands no security, and talks before it is asked.
            model = self.devices[order["of"]]
            settings = model.settings | {"secure": False, "pairing_mode_only": False, "unasked": order.get("values", [])}
            return await self.create(
                label, model.kind, model.name, order.get("address", str(model.address).split("/")[0]),
                settings | order.get("settings", {}))
        if label not in self.devices:
            raise ValueError(f"no device {label!r}; there are {', '.join(self.devices)} and air")
        return await self.devices[label].obey(order)

    async def obey_air(self, order):
        match order["order"]:
            case "devices":
                return {"devices": {label: await it.order_describe({}) for label, it in self.devices.items()}}
            case "flood":
                self.flood.start(order["count"], order.get("interval_ms", 1000), order.get("rssi_dbm", -80))
                return {}
            case "quiet":
                self.flood.stop()
                return {}
            case "rssi":
                self.air.rssi_dbm[self.devices[order["of"]].address] = order["dbm"]
                return {}
            case "gateway":
                return {"scanning": bool(self.gateway.le_scan_enable), "active": self.gateway.le_scan_type == 1,
                        "connecting": self.gateway.pending_le_connection is not None,
                        "connections": len(self.gateway.le_connections), "heard": self.gateway.heard}
            case other:
                raise ValueError(f"air knows no order {other!r}; it knows devices, flood, gateway, quiet, rssi")

    async def serve(self, reader, writer):
        try:
            while line := await reader.readline():
                answer = {"ok": True, "at": round(time.time(), 3)}
                try:
                    answer |= await self.obey(json.loads(line))
                except Exception as error:
                    text = str(error) if isinstance(error, ValueError) else repr(error)
                    answer |= {"ok": False, "error": text}
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


async def main():
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout)
    air = Air()
    async with await open_transport("vhci") as hci:
        radio = Radio(air, GatewayController(air, hci.source, hci.sink))
        for device in HOUSEHOLD:
            await radio.create(*device)
        async with await asyncio.start_server(radio.serve, "0.0.0.0", 7001, limit=4 << 20) as server:
            print("the air is up", flush=True)
            await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
