"""A glucose meter (Glucose Service 1808): keeps its records, shows a passkey, answers the Record Access Control Point."""

import datetime
import struct

from bumble.core import UUID
from bumble.gatt import Service
from bumble.pairing import PairingDelegate

import wire
from peripheral import CAN, CCCD_IMPROPER, PROCEDURE_IN_PROGRESS, Peripheral, refuse

REPORT, DELETE, ABORT, COUNT, NUMBER, RESPONSE = 1, 2, 3, 4, 5, 6
ALL, UP_TO, FROM, WITHIN, FIRST, LAST = 1, 2, 3, 4, 5, 6
(SUCCESS, NO_OPERATION, BAD_OPERATOR, NO_OPERATOR, BAD_OPERAND, NO_RECORDS, ABORT_FAILED, NOT_COMPLETED,
 NO_FILTER) = range(1, 10)


class Record:
    """One stored result."""

    def __init__(self, sequence, base, offset_min, order):
        self.sequence, self.base, self.offset_min, self.order = sequence, base, offset_min, order
        value, molar = None, False
        if order.get("mmol_l") is not None:  # 5.9 mmol/l is 59e-4 mol/l.
            whole, _, fraction = str(order["mmol_l"]).partition(".")
            value, molar = wire.sfloat(int(whole + fraction), -3 - len(fraction)), True
        elif order.get("mg_dl") is not None:  # 104 mg/dl is 104e-5 kg/l.
            mg_dl = order["mg_dl"]
            value = wire.sfloat(mg_dl) if isinstance(mg_dl, str) else wire.sfloat(mg_dl, -5)
        context = order.get("context")
        flags = (offset_min is not None) | (value is not None) << 1 | molar << 2
        flags |= (order.get("status") is not None) << 3 | (context is not None) << 4
        octets = struct.pack("<BH", flags, sequence) + wire.date_time(base)
        if offset_min is not None:
            octets += struct.pack("<h", offset_min)
        if value is not None:
            octets += value + bytes([order.get("type", 1) | order.get("location", 1) << 4])
        if order.get("status") is not None:
            octets += struct.pack("<H", order["status"])
        self.octets = octets
        self.context = self._context(context) if context is not None else None

    def _context(self, context):
        """Meal, tester and health, carbohydrate: what meters send."""
        flags, octets = 0, b""
        if "carbohydrate_g" in context:
            flags |= 1
            octets += bytes([context.get("carbohydrate", 1)]) + wire.sfloat(context["carbohydrate_g"], -3)
        if "meal" in context:
            flags |= 2
            octets += bytes([context["meal"]])
        if "tester" in context or "health" in context:
            flags |= 4
            octets += bytes([context.get("tester", 1) | context.get("health", 5) << 4])
        return struct.pack("<BH", flags, self.sequence) + octets

    def user_time(self):
        return self.base + datetime.timedelta(minutes=self.offset_min or 0)

    def told(self):
        found = {"sequence": self.sequence, "base_time": self.base.isoformat(), "octets": self.octets.hex()}
        for key in ("mg_dl", "mmol_l", "type", "location", "status", "context"):
            if self.order.get(key) is not None:
                found[key] = self.order[key]
        if self.offset_min is not None:
            found["offset_min"] = self.offset_min
        if self.context is not None:
            found["context_octets"] = self.context.hex()
        return found


class Meter(Peripheral):
    kind = "meter"
    capability = PairingDelegate.IoCapability.DISPLAY_OUTPUT_ONLY
    authenticated = True
    services_advertised = (0x1808,)
    model = "Virtual Meter"

    def defaults(self):
        return {
            # "base": setting the clock moves the base time; "offset": it moves the user-facing offset (as Roche has it).
            "clock_moves": "base",
            "operators": [ALL, UP_TO, FROM, WITHIN, FIRST, LAST], "filters": [1, 2], "capacity": 20_000,
        }

    def services(self):
        self.records, self.next_sequence, self.offset_min = [], 1, None
        self.reported, self.requests, self.procedure, self.aborted = {}, [], None, False
        date_time = [self.date_time()] if self.settings["time"] == "date_time" else []
        return [Service(UUID("1808"), date_time + [
            self.characteristic("2A18", CAN.NOTIFY),
            self.characteristic("2A34", CAN.NOTIFY),
            self.characteristic("2A51", CAN.READ, b"\xff\x03"),
            self.characteristic("2A52", CAN.WRITE | CAN.INDICATE, write=self.on_control),
        ])]

    def set_clock(self, moment):
        if self.settings["clock_moves"] == "offset":
            self.offset_min = round((moment - self.clock.now()).total_seconds() / 60)
        else:
            self.clock.set(moment)

    def store(self, order, base):
        sequence = order.get("sequence", self.next_sequence)
        record = Record(sequence, base.replace(microsecond=0), order.get("offset_min", self.offset_min), order)
        self.records.append(record)
        del self.records[:-self.settings["capacity"]]
        self.next_sequence = (sequence + 1) & 0xFFFF
        return record

    # ---- Record Access Control Point

    def on_control(self, _connection, value):
        value = bytes(value)
        self.requests.append(value.hex())
        self.note("control", octets=value.hex())
        if not self.subscribed("2A52") or not self.subscribed("2A18"):
            refuse(CCCD_IMPROPER)
        if value[:1] == bytes([ABORT]):
            self.aborted = True
            if self.procedure is None:
                self.start_answer(self.respond(ABORT, SUCCESS))
            return
        if self.procedure is not None:
            refuse(PROCEDURE_IN_PROGRESS)
        self.procedure, self.aborted = value, False
        self.start_answer(self.carry_out(value))

    def start_answer(self, work):
        async def run():
            try:
                await work
            finally:
                self.procedure = None

        self.start(run())

    def on_disconnection(self, connection, reason):
        self.procedure = None
        super().on_disconnection(connection, reason)

    async def respond(self, operation, code):
        await self.send("2A52", bytes([RESPONSE, 0, operation, code]))

    def choose(self, value):
        """The records that a request names, or the code of its refusal."""
        operator, operand = value[1], value[2:]
        if not ALL <= operator <= LAST:
            return BAD_OPERATOR
        if operator not in self.settings["operators"]:
            return NO_OPERATOR
        if operator in (ALL, FIRST, LAST):
            if operand:
                return BAD_OPERAND
            return {ALL: self.records, FIRST: self.records[:1], LAST: self.records[-1:]}[operator]
        if not operand:
            return BAD_OPERAND
        if operand[0] not in self.settings["filters"]:
            return NO_FILTER
        by_time = operand[0] == 2
        size = 7 if by_time else 2
        bounds = [operand[1 + at:1 + at + size] for at in range(0, len(operand) - 1, size)]
        if len(bounds) != (2 if operator == WITHIN else 1) or any(len(it) != size for it in bounds):
            return BAD_OPERAND
        try:
            limits = [wire.parse_date_time(it) if by_time else struct.unpack("<H", it)[0] for it in bounds]
        except ValueError:
            return BAD_OPERAND
        key = (lambda it: it.user_time()) if by_time else (lambda it: it.sequence)
        if operator == UP_TO:
            return [it for it in self.records if key(it) <= limits[0]]
        if operator == FROM:
            return [it for it in self.records if key(it) >= limits[0]]
        return BAD_OPERAND if limits[0] > limits[1] else [it for it in self.records if limits[0] <= key(it) <= limits[1]]

    async def carry_out(self, value):
        operation = value[0]
        if operation not in (REPORT, DELETE, COUNT) or len(value) < 2:
            return await self.respond(operation, NO_OPERATION)
        found = self.choose(value)
        if isinstance(found, int):
            return await self.respond(operation, found)
        if operation == COUNT:
            return await self.send("2A52", struct.pack("<BBH", NUMBER, 0, min(len(found), 0xFFFF)))
        if operation == DELETE:
            gone = {id(it) for it in found}
            self.records = [it for it in self.records if id(it) not in gone]
            self.note("deleted", count=len(gone))
            return await self.respond(DELETE, SUCCESS if found else NO_RECORDS)
        self.note("reporting", count=len(found))
        for record in list(found):
            if self.aborted:
                self.note("aborted")
                return await self.respond(ABORT, SUCCESS)
            await self.send("2A18", record.octets)
            self.reported[record.octets] = self.reported.get(record.octets, 0) + 1
            if record.context is not None and self.subscribed("2A34"):
                await self.send("2A34", record.context)
        await self.respond(REPORT, SUCCESS if found else NO_RECORDS)
        self.note("reported", count=len(found))
        await self.end_link()

    # ---- orders

    def holds(self, order):
        found = self.records[-order["last"]:] if "last" in order else self.records
        return {"records": [it.told() | {"reported": self.reported.get(it.octets, 0)} for it in found],
                "count": len(self.records), "next_sequence": self.next_sequence, "requests": self.requests}

    async def order_measure(self, order):
        """One result now, or `when` (the device's own time); then the meter shows itself, unless `quiet`."""
        base = wire.moment(order["when"]) if "when" in order else self.clock.now()
        record = self.store(order, base)
        if not order.get("quiet"):
            await self.open_window()
        return {"record": record.told()}

    async def order_fill(self, order):
        """`count` results from `start` on, `step_min` apart, with values that all differ from their neighbours."""
        base = wire.moment(order.get("start", "2026-01-01T06:00:00"))
        step = datetime.timedelta(minutes=order.get("step_min", 60))
        for number in range(order["count"]):
            self.store({"mg_dl": 70 + number * 7 % 180}, base + number * step)
        return {"count": len(self.records), "next_sequence": self.next_sequence}

    async def order_reset_sequence(self, order):
        """The next record starts over at `to`; `records`: false keeps what is stored."""
        self.next_sequence = order.get("to", 1)
        if order.get("erase"):
            self.records = []
