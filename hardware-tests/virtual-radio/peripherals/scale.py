"""A scale for two (Weight Scale 181D, Body Composition 181B, User Data 181C): tells a person's values after consent."""

import struct

from bumble.core import UUID
from bumble.gatt import Service

import wire
from cuff import Delivering
from peripheral import CAN, refuse

REGISTER, CONSENT, DELETE_DATA, RESPONSE = 1, 2, 3, 0x20
SUCCESS, NO_OPERATION, BAD_PARAMETER, FAILED, NOT_AUTHORIZED = 1, 2, 3, 4, 5
UNKNOWN_USER = 0xFF


class Scale(Delivering):
    kind = "scale"
    services_advertised = (0x181D, 0x181B, 0x181C)
    model = "Virtual Scale"

    def defaults(self):
        return {
            # User index (as text, JSON has no other keys) to consent code.
            "users": {"1": 1234, "2": 5678}, "needs_consent": True, "split": False, "capacity": 8,
            "address_type": "random",
        }

    def services(self):
        super().services()
        self.consented, self.registered, self.change = set(), [], 0
        return [
            Service(UUID("181B"), [
                self.characteristic("2A9C", CAN.INDICATE),
                self.characteristic("2A9B", CAN.READ, struct.pack("<I", 0x00000703))]),
            Service(UUID("181D"), [
                self.characteristic("2A9D", CAN.INDICATE),
                self.characteristic("2A9E", CAN.READ, struct.pack("<I", 0x0000003F))]),
            Service(UUID("181C"), [
                self.characteristic("2A9A", CAN.READ, lambda _: bytes([max(self.consented, default=UNKNOWN_USER)])),
                self.characteristic("2A9F", CAN.WRITE | CAN.INDICATE, write=self.on_user_control),
                self.characteristic(
                    "2A99", CAN.READ | CAN.WRITE | CAN.NOTIFY, lambda _: struct.pack("<I", self.change),
                    self.on_change_increment)]),
        ]

    def on_connection(self, connection):
        self.consented = set()  # Consent lasts for one connection.
        super().on_connection(connection)

    def on_change_increment(self, _connection, value):
        self.change = int.from_bytes(bytes(value)[:4], "little")
        self.note("change_increment", value=self.change)

    def on_user_control(self, _connection, value):
        value = bytes(value)
        self.note("user_control", octets=value.hex())
        if not self.subscribed("2A9F"):
            refuse(0xFD)
        self.start(self.answer_user_control(value))

    async def answer_user_control(self, value):
        operation, code, parameter = value[0] if value else 0, NO_OPERATION, b""
        users = self.settings["users"]
        if operation == REGISTER:
            code = BAD_PARAMETER
            if len(value) == 3 and (consent := struct.unpack_from("<H", value, 1)[0]) <= 9999:
                free = next((it for it in range(1, self.settings["capacity"] + 1) if str(it) not in users), None)
                code = FAILED
                if free is not None:
                    users[str(free)], code, parameter = consent, SUCCESS, bytes([free])
                    self.registered.append(free)
        elif operation == CONSENT:
            code = BAD_PARAMETER
            if len(value) == 4:
                user, consent = struct.unpack_from("<BH", value, 1)
                code = SUCCESS if users.get(str(user)) == consent else NOT_AUTHORIZED
                if code == SUCCESS:
                    self.consented.add(user)
                    self.note("consented", user=user)
        elif operation == DELETE_DATA:
            code = FAILED
            self.note("delete_asked")
        await self.send("2A9F", bytes([RESPONSE, operation, code]) + parameter)
        await self.on_ready()

    def due(self):
        free = not self.settings["needs_consent"]
        return next((it for it in self.pending
                     if free or it.get("user", UNKNOWN_USER) in self.consented | {UNKNOWN_USER}), None)

    async def order_measure(self, order):
        """kg, [user, 255 unknown], [fat_percent, impedance_ohm, muscle_percent], [height_m, bmi], [when or null]."""
        user, when = order.get("user"), order.get("when", "now")
        stamp = b""
        if when is not None:
            moment = self.clock.now().replace(microsecond=0) if when == "now" else wire.moment(when)
            order = order | {"when": moment.isoformat()}
            stamp = wire.date_time(moment)
        flags = (bool(stamp)) << 1 | (user is not None) << 2 | ("height_m" in order) << 3
        counts = 0xFFFF if order.get("kg") is None else round(order["kg"] / 0.005)
        weight = bytes([flags]) + struct.pack("<H", counts) + stamp
        if user is not None:
            weight += bytes([user])
        if "height_m" in order:
            weight += struct.pack("<HH", round(order["bmi"] * 10), round(order["height_m"] * 1000))
        values = [["2A9D", weight.hex()]]
        if "fat_percent" in order:
            values += [["2A9C", it.hex()] for it in self.body(order, stamp, user)]
        return await self.kept(order, values)

    def body(self, order, stamp, user):
        flags = bool(stamp) << 1 | (user is not None) << 2
        head = struct.pack("<H", round(order["fat_percent"] * 10)) + stamp + (bytes([user]) if user is not None else b"")
        muscle, impedance = b"", b""
        if "muscle_percent" in order:
            muscle = struct.pack("<H", round(order["muscle_percent"] * 10))
        if "impedance_ohm" in order:
            impedance = struct.pack("<H", round(order["impedance_ohm"] * 10))
        bits = bool(muscle) << 4, bool(impedance) << 9
        if self.settings["split"]:  # One measurement in two packets, each with its own flags.
            flags |= 1 << 12
            return [struct.pack("<H", flags | bits[0]) + head + muscle, struct.pack("<H", flags | bits[1]) + head + impedance]
        return [struct.pack("<H", flags | bits[0] | bits[1]) + head + muscle + impedance]

    def holds(self, order):
        return super().holds(order) | {
            "users": self.settings["users"], "consented": sorted(self.consented), "registered": self.registered}
