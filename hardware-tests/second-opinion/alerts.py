#!/usr/bin/env python3
"""A second implementation of the immediate alerts (A9 to A11), written from the specification alone and as plainly
as possible.

Reads cases as JSON lines on standard input and writes results as A13 says, so that the two can be compared byte for
byte: `alerts.py < cases.jsonl | diff - <(hearth assess --alerts < cases.jsonl)`. The exit status is 1 if a case was
malformed.
`alerts.py --random SEED COUNT` prints random cases instead; `alerts.py --selftest` runs the worked examples of A13.
Section numbers in comments are those of the clinical rules; times are seconds, values are rule steps.
"""
import copy
import json
import random
import sys

MINUTE, HOUR, DAY = 60, 3600, 86400
WEEK = 168 * HOUR
LO, HI = -(10**9), 10**9  # below and above every limit
TABLE = ["G1", "G2", "G3", "G4", "G5", "P1", "P2", "P3", "H1", "O1", "O2", "W1", "W2", "T1"]
RULES_OF = dict(glucose=["G1", "G2", "G3", "G4", "G5"], cgm=["G1", "G2", "G3", "G5"], bp=["P1", "P2", "P3"],
                pulse=["H1"], spo2=["O1", "O2"], weight=["W1", "W2"], temp=["T1"])
FAMILY = dict(G1="low", G2="low", G3="high", G4="high", G5="lows", P1="pressure", P2="pressure", P3="pressure",
              H1="pulse", O1="spo2", O2="spo2", W1="weight", W2="weight", T1="temperature")
LIMITS = dict(
    G1=dict(lo=54, rearm=70), G2=dict(lo=70, rearm=80), G3=dict(hi=400, rearm=300), G4=dict(hi=250, rearm=220),
    G5=dict(lo=70), P1=dict(sys=180, dia=120, rearm_sys=170, rearm_dia=110), P2=dict(sys=90, sym=100, rearm=100),
    P3=dict(sys=160, dia=110, rearm_sys=150, rearm_dia=100), H1=dict(hi=130, lo=40, rearm_hi=120, rearm_lo=45),
    O1=dict(le=92, rearm=94), O2=dict(le=94, rearm=95), W1=dict(gain=136, rearm=90),
    W2=dict(gain=226, med=200, rearm=136), T1=dict(ge=380, rearm=375, level="U"),
)
PLAN = dict(tz=0, quiet=[1320, 420], mute=[], prompts=True, monitor=True, shared=False, start=0, others=[])
LEVEL = dict(G1="C", G3="C", P3="C", O1="C", G5="A")  # T1 by its limits, all others U
AT_ONCE = {"G1", "G2", "G4", "G5", "P1", "P3"}
DEADLINE = dict(G3=10 * MINUTE, P2=10 * MINUTE, H1=10 * MINUTE, O1=4 * MINUTE, O2=4 * MINUTE, T1=30 * MINUTE)
WINDOW = dict(G2=30 * MINUTE, P1=10 * MINUTE)
WORSE = dict(G2="G1", G4="G3", O2="O1")
LESSER = {worse: lesser for lesser, worse in WORSE.items()}
SYMPTOMS = dict(P1=("general", "bp"), P2=("general", "bp"), H1=("general", "pulse"))
STEP_AFTER = {1: 15 * MINUTE, 2: 30 * MINUTE, 3: 60 * MINUTE}
ON = ("Pending", "Active", "Acked")


# ---- form (A13) -------------------------------------------------------------------------------------------------

class Malformed(Exception):
    pass


def need(true, what):
    if not true:
        raise Malformed(what)


def is_int(x, low, high):
    return type(x) is int and low <= x <= high


def is_time(x):
    return is_int(x, 0, 2**32 - 1)


def full_limits(given, what="limits"):
    """Limits with defaults filled in; None is off."""
    need(type(given) is dict, what)
    out = {}
    for rule in given:
        need(rule in LIMITS, what)
    for rule, default in LIMITS.items():
        mine = given.get(rule, {})
        if mine is None:
            out[rule] = None
            continue
        need(type(mine) is dict and all(name in default for name in mine), what)
        values = default | mine
        for name, value in values.items():
            need(value in ("U", "C") if name == "level" else type(value) is int, what)
        check_limits(rule, values, what)
        out[rule] = values
    if given.get("P3") is None:
        out["P3"] = None
    else:
        out["P1"] = None
    for low, high, name in (("G1", "G2", "lo"), ("G4", "G3", "hi"), ("O1", "O2", "le")):
        if out[low] and out[high]:
            need(out[low][name] <= out[high][name], what)
    return out


def check_limits(rule, x, what):
    if rule in ("G1", "G2"):
        good = 20 <= x["lo"] <= x["rearm"] <= 600
    elif rule in ("G3", "G4"):
        good = 20 <= x["rearm"] <= x["hi"] <= 600
    elif rule == "G5":
        good = 20 <= x["lo"] <= 600
    elif rule in ("P1", "P3"):
        good = 60 <= x["rearm_sys"] <= x["sys"] <= 260 and 30 <= x["rearm_dia"] <= x["dia"] <= 160
    elif rule == "P2":
        good = 60 <= x["sys"] <= x["sym"] <= x["rearm"] <= 260
    elif rule == "H1":
        good = 25 <= x["lo"] <= x["rearm_lo"] and x["rearm_lo"] + 1 < x["rearm_hi"] <= x["hi"] <= 250
    elif rule in ("O1", "O2"):
        good = 50 <= x["le"] < x["rearm"] <= 100
    elif rule == "W1":
        good = 0 < x["rearm"] <= x["gain"] < 2**31  # no upper end is stated: what 32 bits hold
    elif rule == "W2":
        good = 0 < x["rearm"] <= x["gain"] < 2**31 and x["rearm"] <= x["med"] < 2**31
    else:
        good = 300 <= x["rearm"] <= x["ge"] <= 430
    need(good, what)


def full_plan(given):
    need(type(given) is dict and all(name in PLAN for name in given), "plan")
    plan = PLAN | given
    need(is_int(plan["tz"], -1440, 1440), "plan")
    quiet = plan["quiet"]
    need(quiet is None or type(quiet) is list and len(quiet) == 2 and all(is_int(x, 0, 1439) for x in quiet), "plan")
    need(type(plan["mute"]) is list, "plan")
    for mute in plan["mute"]:
        need(type(mute) is list and len(mute) == 2 and all(is_time(x) for x in mute), "plan")
    need(all(type(plan[name]) is bool for name in ("prompts", "monitor", "shared")), "plan")
    need(is_time(plan["start"]), "plan")
    need(type(plan["others"]) is list, "plan")
    plan["others"] = [full_limits(other, "plan") for other in plan["others"]]
    return plan


def check_event(event):
    need(type(event) is dict, "event")
    kind, names = event.get("k"), set(event)

    def only(required, optional=()):
        need(set(required) <= names <= set(required) | set(optional), "event")

    if kind == "reading":
        value = names & {"v", "sat"}
        need(len(value) == 1, "event")
        only(["k", "t", "arrived", "q", *value], ["flags", "claim", "id", "dev"])
        q = event["q"]
        need(type(q) is str and q in RULES_OF and is_time(event["arrived"]), "event")
        if "sat" in event:
            need(q in ("glucose", "cgm") and type(event["sat"]) is int and event["sat"] in (1, -1), "event")
        else:
            values = event["v"] if q == "bp" else [event["v"]]
            need(type(values) is list and len(values) == (2 if q == "bp" else 1), "event")
            need(all(is_int(x, -1000000, 1000000) for x in values), "event")
        flags = event.get("flags", [])
        need(type(flags) is list and all(x in ("invalid", "suspect") for x in flags), "event")
        need(event.get("claim", "auto") in ("auto", "none", "person"), "event")
        need(all(is_time(event.get(name, 0)) for name in ("id", "dev")), "event")
    elif kind == "symptom":
        only(["k", "t", "q"])
        need(event["q"] in ("general", "bp", "pulse"), "event")
    elif kind == "ack":
        only(["k", "t", "rule", "by"])
        need(event["rule"] in TABLE and event["by"] in ("patient", "staff"), "event")
    elif kind == "tick":
        only(["k", "t"])
    elif kind == "set":
        only(["k", "t"], ["tz", "prompts", "monitor"])
        need(is_int(event.get("tz", 0), -1440, 1440), "event")
        need(all(type(event.get(name, True)) is bool for name in ("prompts", "monitor")), "event")
    else:
        raise Malformed("event")
    need(is_time(event["t"]), "event")


def when(event):
    return event["arrived"] if event["k"] == "reading" else event["t"]


# ---- plausibility (A9) ------------------------------------------------------------------------------------------

def plausibility(q, v):
    """"impossible", "harmless", "dangerous" or "accepted"."""
    if q == "bp":
        high, low = v
        if not (20 <= high <= 300 and 10 <= low <= 200 and low < high):
            return "impossible"
        if high > 260 or low > 160 or high < 60 or high - low < 15:
            return "dangerous"
        return "harmless" if low < 30 else "accepted"
    if v in (LO, HI):
        return "accepted"
    possible, accepted = dict(
        glucose=((10, 1000), (20, 600)), cgm=((10, 1000), (39, 401)), pulse=((20, 300), (25, 250)),
        spo2=((50, 100), (50, 100)), temp=((250, 450), (300, 430)), weight=((1, 40000), (2000, 30000)))[q]
    if not possible[0] <= v <= possible[1]:
        return "impossible"
    if accepted[0] <= v <= accepted[1]:
        return "accepted"
    return "harmless" if q == "weight" or (q == "temp" and v < 300) else "dangerous"


class Reading:
    """One reading that the rules may look at."""

    def __init__(self, event):
        self.q, self.t, self.now = event["q"], event["t"], event["arrived"]
        sat = event.get("sat", 0)
        self.v = HI if sat == 1 else LO if sat == -1 else event["v"]
        if self.q == "bp":
            self.v = tuple(self.v)
        self.invalid = "invalid" in event.get("flags", [])
        self.suspect = "suspect" in event.get("flags", [])
        self.claim = event.get("claim", "auto")
        self.cgm = self.q == "cgm"
        self.key = ("id", event["id"]) if "id" in event else (event.get("dev"), self.t, self.v)
        self.plausible = plausibility(self.q, self.v)
        self.off = False  # late or old
        self.off_by_5kg = False

    def may_confirm(self):
        return not self.invalid and not self.off

    def may_refute(self):
        return self.may_confirm() and self.plausible == "accepted"


# ---- one rule's state -------------------------------------------------------------------------------------------

class Rule:
    def __init__(self, name, level):
        self.name, self.base_level = name, level
        self.state, self.level, self.late = "Idle", level, False
        self.first = self.last = None  # t of the first reading, and of the last that met the condition
        self.deadline = None  # Pending, or the window of G2, P1 for the second reading
        self.step, self.ladder_from = None, 0  # next step of the ladder
        self.noticed, self.acked = 0, None  # last notice to the patient; somebody's acknowledgement
        self.activations, self.summary = [], None
        self.summed = self.alerted = False
        self.reference, self.clause = None, None  # W1, W2
        self.before = ("Idle", level, False, False)  # what a Pending that is not confirmed goes back to

    def due(self):
        if self.state == "Pending":
            return self.deadline
        if self.state == "Active" and self.step is not None:
            return self.ladder_from + STEP_AFTER[self.step]
        return None


def holds(rule, x, v, symptom=False):
    """The condition of a rule by one number alone; G4, G5, W1, W2 are elsewhere."""
    if rule in ("G1", "G2"):
        return v < x["lo"]
    if rule == "G3":
        return v > x["hi"]
    if rule == "P1":
        return v[0] > x["sys"] or v[1] > x["dia"]
    if rule == "P2":
        return v[0] < x["sys"] or symptom and v[0] < x["sym"]
    if rule == "P3":
        return v[0] >= x["sys"] or v[1] >= x["dia"]
    if rule == "H1":
        return v > x["hi"] or v < x["lo"]
    if rule in ("O1", "O2"):
        return v <= x["le"]
    return v >= x["ge"]


def past_rearm(rule, x, v):
    if rule in ("G1", "G2", "P2", "O1", "O2"):
        return (v[0] if rule == "P2" else v) >= x["rearm"]
    if rule in ("P1", "P3"):
        return v[0] < x["rearm_sys"] and v[1] < x["rearm_dia"]
    if rule == "H1":
        return x["rearm_lo"] < v < x["rearm_hi"]
    return v < x["rearm"]  # G3, G4, T1


class Patient:
    """All rules of one patient, and what they wrote."""

    def __init__(self, plan, limits):
        self.plan, self.limits = plan, limits
        self.tz, self.prompts, self.monitor = plan["tz"], plan["prompts"], plan["monitor"]
        self.transitions, self.notices = [], []
        self.forget()

    def forget(self):
        self.rules = {}
        for name in TABLE:
            if self.limits[name] is not None:
                level = self.limits["T1"]["level"] if name == "T1" else LEVEL.get(name, "U")
                self.rules[name] = Rule(name, level)
        self.seen = {q: [] for q in RULES_OF}
        self.newest = {}  # quantity -> (t, value)
        self.asked, self.device = {}, {}  # quantity -> time of the last A9 request, of the last device notice
        self.highs = None  # G4: (a, b)
        self.lows = []  # G5
        self.below, self.above, self.last_cgm = {}, {}, None
        self.symptoms = {}
        self.weights = []  # (t, order, value, local day)
        self.weighed = 0

    # -- writing

    def say_state(self, rule, new, reason, level=None):
        if level is not None:
            rule.level = level
        record = dict(t=self.now, rule=rule.name, level=rule.level, to=new, reason=reason)
        record["from"] = rule.state
        if rule.late:
            record["late"] = True
        rule.state = new
        self.transitions.append(record)

    def tell(self, to, rule, level, kind, **more):
        if to == "patient" and not self.prompts:
            return False
        self.event_notices.append(dict(t=self.now, to=to, rule=rule, level=level, kind=kind, **more))
        return True

    def begin(self, now):
        self.now, self.event_notices, self.clears = now, [], []

    def finish(self, request=None):
        """Orders the notices of one event and keeps one per family for the patient."""
        if request:
            self.tell("patient", "A9", "A", "measure_again")
        for rule, was_staff in self.clears:
            family = FAMILY[rule.name]
            others = [r for r in self.rules.values() if FAMILY[r.name] == family and r is not rule]
            if rule.level == "A" or any(r.state in ON for r in others):
                continue
            if rule.alerted:
                self.tell("patient", rule.name, rule.level, "all_clear", **self.silence())
            if not was_staff and not rule.summed:
                self.tell("staff", rule.name, rule.level, "all_clear")
        best = {}
        for index, notice in enumerate(self.event_notices):
            if notice["to"] == "patient" and notice["rule"] != "A9":
                family = FAMILY[notice["rule"]]
                kinds = ["alert", "repeat", "measure_again", "all_clear"]
                rank = ("CUA".index(notice["level"]), kinds.index(notice["kind"]), TABLE.index(notice["rule"]), index)
                best[family] = min(best.get(family, rank), rank)
        winners = {rank[-1] for rank in best.values()}
        for index, notice in enumerate(self.event_notices):
            if notice["to"] == "patient" and notice["rule"] != "A9" and index not in winners:
                continue
            self.notices.append(notice)

    # -- quiet hours

    def quiet_end(self, now):
        """The end of the quiet hours in which `now` lies, or None."""
        quiet = self.plan["quiet"]
        if quiet is None or quiet[0] == quiet[1]:
            return None
        start, end = quiet[0] * MINUTE, quiet[1] * MINUTE
        local = now + self.tz * MINUTE
        midnight, second = local - local % DAY, local % DAY
        if start < end:
            if not start <= second < end:
                return None
            until = midnight + end
        elif second >= start:
            until = midnight + DAY + end
        elif second < end:
            until = midnight + end
        else:
            return None
        return until - self.tz * MINUTE

    def calm_end(self, now):
        """The first moment from `now` on that is neither quiet nor muted."""
        while True:
            ends = [to for start, to in self.plan["mute"] if start <= now < to]
            quiet = self.quiet_end(now)
            if quiet is not None:
                ends.append(quiet)
            if not ends:
                return now
            now = max(ends)

    def calm(self):
        return self.calm_end(self.now) > self.now

    def silence(self):
        return dict(silent=True) if self.calm() else {}

    def defer(self):
        end = self.quiet_end(self.now)
        return {} if end is None else dict(deferred_until=end)

    # -- notices of one rule

    def notify(self, rule, t):
        """Tells of an activation or a rise, by level (A11, ladder)."""
        rule.noticed = self.now
        late = dict(late=True) if rule.late else {}
        if rule.level == "C":
            rule.ladder_from = self.now
            rule.step = 1
            if not rule.late:
                rule.alerted |= self.tell("patient", rule.name, "C", "alert")
            if rule.late or not self.prompts:
                self.tell("staff", rule.name, "C", "alert", step=1, **late)
                rule.step = 2 if not rule.late or self.now - t <= DAY else None
        elif rule.level == "U":
            if not rule.late:
                rule.alerted |= self.tell("patient", rule.name, "U", "alert", **self.silence())
            self.tell("staff", rule.name, "U", "alert", **late)
        elif not rule.late:
            self.tell("staff", rule.name, "A", "alert", **self.defer())

    def activate(self, rule, reason, level, late, t):
        rule.late, up = late, rule.state in ("Active", "Acked")
        self.say_state(rule, "Active", reason, level)
        rule.acked, rule.step, rule.deadline = None, None, None
        rule.alerted = rule.alerted and up
        rule.summed = False
        recent = [a for a in rule.activations if self.now - a <= WEEK]
        rule.activations.append(self.now)
        if rule.name in WINDOW and not late:
            rule.deadline = self.now + WINDOW[rule.name]
        if level != "C" and len(recent) >= 3:
            rule.summed = True
            if rule.summary is None or self.now - rule.summary > WEEK:
                rule.summary = self.now
                self.tell("staff", rule.name, level, "summary", **(self.defer() if level == "A" else {}))
        else:
            self.notify(rule, t)
        self.supersede(rule)

    def supersede(self, rule):
        lesser = self.rules.get(LESSER.get(rule.name))
        if lesser and not rule.late and lesser.state != "Idle":
            self.say_state(lesser, "Idle", "superseded")
            lesser.step = lesser.deadline = None

    def rise(self, rule, reason, t):
        """A11.5: U becomes C. Whatever makes it rise is new, so that a late activation is late no more."""
        rule.late = False
        self.say_state(rule, "Active", reason, "C")
        rule.acked, rule.summed = None, False
        self.notify(rule, t)

    def ask(self, rule, reading):
        """A11.3: Pending, and the patient is asked to measure again."""
        rule.before = (rule.state, rule.level, rule.late, rule.alerted)
        rule.late = False
        self.say_state(rule, "Pending", "met", rule.base_level)
        if rule.name in ("W1", "W2"):
            local = self.now + self.tz * MINUTE
            noon = local - local % DAY + 12 * HOUR - self.tz * MINUTE
            rule.deadline = max(noon, self.now + HOUR) if rule.name == "W1" else noon + DAY
        else:
            rule.deadline = self.now + DEADLINE[rule.name]
        if rule.level != "C" and self.calm():
            end = self.calm_end(self.now)
            if end < rule.deadline:
                self.tell("patient", rule.name, rule.level, "measure_again", deferred_until=end)
        else:
            self.tell("patient", rule.name, rule.level, "measure_again")

    # -- symptoms

    def symptom_in_force(self, name):
        return any(q in self.symptoms and self.now - self.symptoms[q] <= 30 * MINUTE for q in SYMPTOMS.get(name, ()))

    # -- one reading, one rule

    def run_rule(self, rule, reading):
        name, t, v = rule.name, reading.t, reading.v
        limits = self.limits[name]
        symptom = self.symptom_in_force(name)
        idle = rule.state in ("Idle", "Cleared")
        own = None  # W1, W2: the reading's own reference and whether it is met
        rearm = None
        if name == "G4":
            met, rearm = self.take_high(reading), v < limits["rearm"]
        elif name == "G5":
            met = self.take_low(reading)
            rearm = v >= limits["lo"] and bool(self.lows) and t - self.lows[-1] >= WEEK
        elif name in ("W1", "W2"):
            own = self.weigh(name, reading)
            met = own[0] if idle else self.above_frozen(rule, v)
            rearm = rule.reference is not None and v - rule.reference < limits["rearm"]
            if rule.state == "Acked" and own[3] is not None and v - own[3] < limits["rearm"]:
                rearm = True  # even if the gain on the frozen reference is still there
        elif name in ("G1", "G2") and reading.cgm:
            start = self.below.get(name)
            met = start is not None and t - start >= 15 * MINUTE if idle else v < limits["lo"]
            start = self.above.get(name)
            rearm = start is not None and t - start >= 15 * MINUTE
        else:
            met, rearm = holds(name, limits, v, symptom), past_rearm(name, limits, v)
        worse = self.rules.get(WORSE.get(name))
        if worse and worse.state in ("Active", "Acked"):
            if not worse.late or holds(worse.name, self.limits[worse.name], v):
                return
        at_c = symptom and name in SYMPTOMS and holds(name, limits, v)
        level = "C" if at_c else rule.base_level
        before = rule.last
        rearm = rearm and reading.may_refute() and before is not None and t > before
        if rule.state in ("Active", "Acked") and rearm:
            self.rearm(rule)
            return
        if met:
            rule.last = t if rule.last is None else max(rule.last, t)
        if idle:
            if met:
                rule.first = t
                if own:
                    rule.clause, rule.reference = own[1], own[2]
                if reading.off or name in AT_ONCE or level == "C" and (at_c or name == "T1"):
                    self.activate(rule, "met", level, reading.off, t)
                else:
                    self.ask(rule, reading)
        elif rule.state == "Pending":
            if t - rule.first < MINUTE:
                return
            if met and reading.may_confirm():
                self.activate(rule, "symptom" if at_c else "confirmed", level, False, t)
            elif not met and reading.may_refute():
                state, old_level, old_late, old_alerted = rule.before
                self.say_state(rule, state, "not_confirmed")
                rule.level, rule.late, rule.alerted = old_level, old_late, old_alerted
        elif met:
            self.still_met(rule, reading, before, level, at_c)

    def still_met(self, rule, reading, before, level, at_c):
        """A11.5, 8, 9: Active or Acked, and the reading meets it."""
        t = reading.t
        gap = {"C": 24 * HOUR, "U": 72 * HOUR}.get(rule.level)
        if gap is not None and t - before > gap:
            rule.first = t
            self.activate(rule, "again", level, reading.off, t)
            return
        if reading.off or reading.invalid:
            return
        if rule.level == "U" and at_c:
            self.rise(rule, "symptom", t)
            return
        if rule.late:
            rule.late = False
            rule.first = t
            self.say_state(rule, "Active", "live")
            rule.acked = None
            if rule.name in WINDOW:
                rule.deadline = self.now + WINDOW[rule.name]
            if not rule.summed:
                self.notify(rule, t)
            self.supersede(rule)
            return
        if rule.level == "U" and rule.name in WINDOW and rule.deadline is not None and self.now <= rule.deadline:
            if t - rule.first >= (15 * MINUTE if reading.cgm else MINUTE):
                self.rise(rule, "raised", t)
                return
        if rule.level == "C":
            age = self.now - rule.noticed
            if age >= 5 * MINUTE if rule.acked is None else min(age, self.now - rule.acked) >= 30 * MINUTE:
                rule.noticed = self.now
                rule.alerted |= self.tell("patient", rule.name, "C", "repeat")
                if rule.state == "Acked":
                    self.tell("staff", rule.name, "C", "repeat")

    def rearm(self, rule):
        was_staff = rule.state == "Acked"
        self.say_state(rule, "Idle" if was_staff else "Cleared", "rearmed")
        rule.step = rule.deadline = None
        self.clears.append((rule, was_staff))
        if rule.name == "G4":
            self.highs = None
        self.below.pop(rule.name, None)

    # -- memories

    def take_high(self, reading):
        """G4: whether a reading meets it, and its memory of two times."""
        t, hi = reading.t, self.limits["G4"]["hi"]
        if reading.v <= hi:
            return False
        met = self.highs is not None and any(HOUR <= abs(t - x) <= 24 * HOUR for x in self.highs)
        if not reading.invalid:
            if self.highs is None or t - self.highs[1] >= HOUR:
                self.highs = (t, t)
            else:
                a, b = self.highs
                if t > b:
                    self.highs = (a if t - a < HOUR else b, t)
                elif t < a and b - t < HOUR:
                    self.highs = (t, b)
        return met

    def take_low(self, reading):
        """G5: whether a new low episode meets it, and its memory of three starts."""
        if reading.invalid:
            return False
        if reading.cgm:
            start = self.below.get("G5")
            if start is None or reading.t - start < 15 * MINUTE:
                return False
        else:
            if reading.v >= self.limits["G5"]["lo"]:
                return False
            start = reading.t
        if any(abs(start - x) < 2 * HOUR for x in self.lows):
            return False
        self.lows = sorted(self.lows + [start])[-3:]
        return start in self.lows and len(self.lows) == 3 and self.lows[2] - self.lows[0] <= WEEK

    def weigh(self, name, reading):
        """W1, W2: met, clause, its reference, and the reading's own reference (W2: lowest)."""
        t, v, x = reading.t, reading.v, self.limits[name]
        if name == "W1":
            window = [w for w in self.weights if t - 48 * HOUR <= w[0] <= t - 20 * HOUR]
            ref = max(window)[2] if window else None
            return ref is not None and v - ref >= x["gain"], "gain", ref, ref
        lowest = min((w[2] for w in self.weights if t - WEEK <= w[0] < t), default=None)
        if lowest is not None and v - lowest >= x["gain"]:
            return True, "gain", lowest, lowest
        day = self.local_day(t)
        some = sorted(w[2] for w in self.weights if w[3] in (day - 4, day - 3))
        middle = some[(len(some) - 1) // 2] if some else None
        return middle is not None and v - middle > x["med"], "med", middle, lowest

    def above_frozen(self, rule, v):
        x, gain = self.limits[rule.name], v - rule.reference
        return gain >= x["gain"] if rule.clause == "gain" else gain > x["med"]

    def local_day(self, t):
        return (t + self.tz * MINUTE) // DAY

    def keep_weight(self, reading):
        if reading.invalid or reading.off_by_5kg or reading.plausible != "accepted":
            return
        self.weighed += 1
        self.weights = sorted(self.weights + [(reading.t, self.weighed, reading.v, self.local_day(reading.t))])[-32:]

    def extend_runs(self, reading):
        t, v = reading.t, reading.v
        broken = self.last_cgm is None or t - self.last_cgm > 30 * MINUTE
        self.last_cgm = t
        for name in ("G1", "G2", "G5"):
            x = self.limits[name]
            if x is None:
                continue
            bounds = [(self.below, v < x["lo"])]
            if name != "G5":
                bounds.append((self.above, v >= (x["rearm"] if name == "G1" else x["lo"])))
            for runs, inside in bounds:
                if not inside:
                    runs.pop(name, None)
                elif broken or name not in runs:
                    runs[name] = t

    # -- suspicion (A9)

    def suspicious(self, reading, newest):
        q, t, v = reading.q, reading.t, reading.v
        if reading.plausible == "dangerous" or reading.invalid:
            return True
        if reading.suspect and not reading.cgm:
            return True
        age = None if newest is None else t - newest[0]
        if q == "glucose" and age is not None and 0 <= age <= 15 * MINUTE:
            old, new = min(max(newest[1], 20), 600), min(max(v, 20), 600)
            return abs(new - old) > 150 or old > 300 and new < 180
        if q == "bp":
            if v[0] - v[1] < 20 or v[0] - v[1] > 100:
                return True
            return age is not None and 0 <= age <= 10 * MINUTE and abs(v[0] - newest[1][0]) > 20
        if q == "temp":
            return v < 350
        return reading.off_by_5kg

    def device_notice(self, q):
        last = self.device.get(q)
        if last is None or self.now - last >= DAY:
            self.device[q] = self.now
            self.tell("staff", "A9", "A", "device", **self.defer())

    # -- events

    def reading(self, event):
        reading = Reading(event)
        q = reading.q
        seen = self.seen[q]
        if reading.key in seen:
            return
        stamp_wrong = reading.t - self.now > 10 * MINUTE
        reading.t = min(reading.t, self.now)
        if reading.claim == "none":
            self.unclaimed(reading)
            return
        unusable = reading.plausible in ("impossible", "harmless")
        before_start = reading.t < self.plan["start"]
        if stamp_wrong or unusable and not before_start:
            self.device_notice(q)
        if unusable:
            return
        if q == "weight":
            reading.off_by_5kg = self.off_by_5kg(reading)
            if reading.off_by_5kg and self.plan["shared"]:
                if not before_start:
                    self.tell("hub", "A9", "A", "claim", **self.defer())
                return
        self.remember(reading)
        if before_start:
            if q == "weight":
                self.keep_weight(reading)
            return
        if reading.cgm:
            if reading.invalid:
                return
            if self.last_cgm is not None and reading.t <= self.last_cgm:
                return
            self.extend_runs(reading)
        newest = self.newest.get(q)
        reading.off = self.now - reading.t > 2 * HOUR or newest is not None and reading.t < newest[0]
        for name in RULES_OF[q]:
            if name in self.rules:
                self.run_rule(self.rules[name], reading)
        if q == "weight":
            self.keep_weight(reading)
        if newest is None or reading.t >= newest[0]:
            self.newest[q] = (reading.t, reading.v)
        if self.event_notices or reading.off or self.calm() or not self.prompts:
            return
        if self.now - self.asked.get(q, -HOUR) >= 30 * MINUTE and self.suspicious(reading, newest):
            self.asked[q] = self.now
            return True

    def remember(self, reading):
        self.seen[reading.q] = (self.seen[reading.q] + [reading.key])[-64:]

    def off_by_5kg(self, reading):
        if reading.claim == "person":
            return False
        some = sorted(w[2] for w in self.weights if reading.t - WEEK <= w[0] < reading.t)
        return len(some) >= 3 and abs(reading.v - some[(len(some) - 1) // 2]) > 500

    def unclaimed(self, reading):
        if reading.t < self.plan["start"] or reading.cgm or reading.plausible in ("impossible", "harmless"):
            return
        for limits in [self.limits] + self.plan["others"]:
            for name in RULES_OF[reading.q]:
                x = limits[name]
                at_c = name in ("G1", "G3", "P3", "O1") or name == "T1" and x and x["level"] == "C"
                if at_c and x and holds(name, x, reading.v):
                    late = dict(late=True) if self.now - reading.t > 2 * HOUR else {}
                    self.tell("staff", name, "C", "alert", **late)
                    self.tell("hub", name, "C", "alert", **late)
                    return

    def symptom(self, event):
        self.symptoms[event["q"]] = self.now
        for name, kinds in SYMPTOMS.items():
            rule = self.rules.get(name)
            if rule is None or event["q"] not in kinds:
                continue
            if rule.state == "Pending":
                self.activate(rule, "symptom", "C", False, rule.first)
            elif rule.state in ("Active", "Acked") and rule.level == "U":
                self.rise(rule, "symptom", rule.first)

    def ack(self, event):
        rule = self.rules.get(event["rule"])
        if rule is None:
            return
        if event["by"] == "staff":
            if rule.state in ("Active", "Cleared"):
                self.say_state(rule, "Acked" if rule.state == "Active" else "Idle", "ack")
                rule.acked, rule.step = self.now, None
        elif rule.state == "Active" and rule.acked is None:
            self.say_state(rule, "Active", "ack_patient")
            rule.acked = self.now
            if rule.step == 1:
                rule.ladder_from += 15 * MINUTE

    def set(self, event):
        self.tz = event.get("tz", self.tz)
        self.prompts = event.get("prompts", self.prompts)
        if "monitor" in event and event["monitor"] != self.monitor:
            self.monitor = event["monitor"]
            if not self.monitor:
                for rule in self.rules.values():
                    if rule.state != "Idle":
                        self.say_state(rule, "Idle", "off")
                self.forget()

    def fire(self, before):
        """Timers due earlier than `before`, earliest first, then in table order."""
        while True:
            due = [(rule.due(), TABLE.index(name)) for name, rule in self.rules.items() if rule.due() is not None]
            if not due or min(due)[0] >= before:
                return
            at, index = min(due)
            rule = self.rules[TABLE[index]]
            self.begin(at)
            if rule.state == "Pending":
                self.activate(rule, "silence", rule.base_level, False, rule.first)
            else:
                late = dict(late=True) if rule.late else {}
                self.tell("staff", rule.name, "C", "alert", step=rule.step, **late)
                rule.step = rule.step + 1 if rule.step < 3 else None
            self.finish()

    def take(self, event):
        now, kind = when(event), event["k"]
        self.fire(now + 1 if kind == "tick" else now)
        self.begin(now)
        request = None
        if kind == "set":
            self.set(event)
        elif self.monitor and kind in ("reading", "symptom", "ack"):
            request = getattr(self, kind)(event)
        self.finish(request)


def run_case(case):
    plan = full_plan(case.get("plan", {}))
    limits = full_limits(case.get("limits", {}))
    need(type(case.get("events")) is list, "event")
    last = 0
    for event in case["events"]:
        check_event(event)
        need(when(event) >= last, "order")
        last = when(event)
    patient = Patient(plan, limits)
    for event in case["events"]:
        patient.take(event)
    return dict(notifications=patient.notices, transitions=patient.transitions)


def not_json(name):
    raise ValueError(name)


def run_line(line):
    """The result of one input line, text or bytes."""
    try:
        text = line if isinstance(line, str) else line.decode("utf-8")
        case = json.loads(text, parse_constant=not_json)  # Python would take NaN
        need(type(case) is dict, "plan")
        dump(case).encode("utf-8")  # fails on half a surrogate pair, which is no text
    except (ValueError, RecursionError, Malformed):
        return dict(id=None, error="plan")
    ident = case.get("id")
    try:
        need("id" in case and set(case) <= {"id", "plan", "limits", "events"}, "plan")
        return dict(id=ident) | run_case(case)
    except Malformed as error:
        return dict(id=ident, error=str(error))


def dump(result):
    return json.dumps(result, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


# ---- the worked examples of A13 ---------------------------------------------------------------------------------

# number | plan and limits | events | transitions | notifications; all in the shorthand of A13
EXAMPLES = """
1 | | 0 glucose 53; 60 tick | 0 G1 I>A C met | 0 patient G1 C alert; 15 staff G1 C alert step=1; 30 staff G1 C alert step=2; 60 staff G1 C alert step=3
2 | | 0 glucose 54; 30 glucose 69 | 0 G2 I>A U met; 30 G2 A>A C raised | 0 patient G2 U alert; 0 staff G2 U alert; 30 patient G2 C alert
3 | | 0 glucose 54; 31 glucose 69 | 0 G2 I>A U met | 0 patient G2 U alert; 0 staff G2 U alert
4 | | 0 glucose 60; 10 glucose 45; 20 glucose 69; 24 glucose 70; 90 ack G1 staff | 0 G2 I>A U met; 10 G1 I>A C met; 10 G2 A>I U superseded; 24 G1 A>C C rearmed; 90 G1 C>I C ack | 0 patient G2 U alert; 0 staff G2 U alert; 10 patient G1 C alert; 24 patient G1 C all_clear; 24 staff G1 C all_clear
5 | | 0 glucose 50; 5 ack G1 patient; 29 tick; 46 ack G1 staff; 90 tick | 0 G1 I>A C met; 5 G1 A>A C ack_patient; 46 G1 A>K C ack | 0 patient G1 C alert; 30 staff G1 C alert step=1; 45 staff G1 C alert step=2
6 | | 0 glucose 50; 4 glucose 48; 5 glucose 47; 6 ack G1 staff; 35 glucose 49; 36 glucose 49; 120 tick | 0 G1 I>A C met; 6 G1 A>K C ack | 0 patient G1 C alert; 5 patient G1 C repeat; 36 patient G1 C repeat; 36 staff G1 C repeat
7 | | 0 glucose 50; 5 ack G1 staff; 43200 glucose 50 | 0 G1 I>A C met; 5 G1 A>K C ack; 43200 G1 K>A C again | 0 patient G1 C alert; 43200 patient G1 C alert
8 | | 0 glucose HI; 60 glucose 290 | 0 G3 I>P C met; 10 G3 P>A C silence; 60 G3 A>C C rearmed; 60 G4 I>A U met | 0 patient G3 C measure_again; 10 patient G3 C alert; 25 staff G3 C alert step=1; 40 staff G3 C alert step=2; 60 patient G4 U alert; 60 staff G4 U alert
9 | | 0 glucose 410; 0:59 glucose 150; 1 glucose 150 | 0 G3 I>P C met; 1 G3 P>I C not_confirmed | 0 patient G3 C measure_again; 0:59 patient A9 A measure_again
10 | | 0 glucose 410; 0@2 glucose 410; 9 tick | 0 G3 I>P C met | 0 patient G3 C measure_again
11 | | 0 glucose 251; 30 glucose 120; 59 glucose 260; 60 glucose 251 | 60 G4 I>A U met | 60 patient G4 U alert; 60 staff G4 U alert
12 | | 0 glucose 260; 1440:01 glucose 260; 2880:01 glucose 260 | 2880:01 G4 I>A U met | 2880:01 patient G4 U alert; 2880:01 staff G4 U alert
13 | "limits":{"G2":null} | 0 glucose 65; 119 glucose 65; 120 glucose 65; 240 glucose 65 | 240 G5 I>A A met | 240 staff G5 A alert
14 | | 0 bp 180/120; 5 bp 150/121; 8 bp 181/90; 20 bp 169/109 | 5 P1 I>A U met; 8 P1 A>A C raised; 20 P1 A>C C rearmed | 5 patient P1 U alert; 5 staff P1 U alert; 8 patient P1 C alert; 20 patient P1 C all_clear; 20 staff P1 C all_clear
15 | "plan":{"quiet":[540,660]} | 0 bp 190/100; 1 symptom bp | 0 P1 I>A U met; 1 P1 A>A C symptom | 0 patient P1 U alert silent; 0 staff P1 U alert; 1 patient P1 C alert
16 | | 0 symptom general; 1 bp 99/60; 3 bp 88/55; 5 symptom bp; 40 bp 100/60 | 1 P2 I>P U met; 3 P2 P>A C symptom; 40 P2 A>C C rearmed | 1 patient P2 U measure_again; 3 patient P2 C alert; 18 staff P2 C alert step=1; 33 staff P2 C alert step=2; 40 patient P2 C all_clear; 40 staff P2 C all_clear
17 | "limits":{"P3":{}} | 0 bp 160/100; 15 tick | 0 P3 I>A C met | 0 patient P3 C alert; 15 staff P3 C alert step=1
18 | | 0 spo2 91; 2 spo2 94 | 0 O1 I>P C met; 0 O2 I>P U met; 2 O1 P>I C not_confirmed; 2 O2 P>A U confirmed | 0 patient O1 C measure_again; 2 patient O2 U alert; 2 staff O2 U alert
19 | | 0 spo2 92; 5 tick | 0 O1 I>P C met; 0 O2 I>P U met; 4 O1 P>A C silence; 4 O2 P>I U superseded | 0 patient O1 C measure_again; 4 patient O1 C alert
20 | | 0 weight 8000; 1440 weight 8136; 1450 weight 8140; 1460 weight 8090; 1470 weight 8089 | 1440 W1 I>P U met; 1450 W1 P>A U confirmed; 1470 W1 A>C U rearmed | 1440 patient W1 U measure_again; 1450 patient W1 U alert; 1450 staff W1 U alert; 1470 patient W1 U all_clear; 1470 staff W1 U all_clear
21 | "limits":{"W1":null} | 0 weight 8000; 1440 weight 8100; 2880 weight 8226; 4440:01 tick | 2880 W2 I>P U met; 4440 W2 P>A U silence | 2880 patient W2 U measure_again; 4440 patient W2 U alert; 4440 staff W2 U alert
22 | "plan":{"shared":true} | 0 weight 8000; 1440 weight 8010; 2880 weight 8020; 4320 weight 8512 | | 4320 hub A9 A claim
23 | | 0 weight 8000; 1440 weight 8010; 2880 weight 8020; 4320 weight 8512 | 4320 W1 I>P U met; 4320 W2 I>P U met | 4320 patient W1 U measure_again
24 | | 0@120:01 glucose 45; 130 glucose 50; 131 ack G1 staff | 120:01 G1 I>A C met late; 130 G1 A>A C live; 131 G1 A>K C ack | 120:01 staff G1 C alert step=1 late; 130 patient G1 C alert
25 | | 10 glucose 75; 9@11 glucose 45; 8@12 glucose 90; 13 glucose 70 | 11 G1 I>A C met late; 13 G1 A>C C rearmed late | 11 staff G1 C alert step=1 late; 13 staff G1 C all_clear
26 | | 0 glucose 9; 1 glucose 15; 6 glucose 650; 12 glucose 70 | 1 G1 I>A C met; 6 G3 I>P C met; 12 G1 A>C C rearmed; 12 G3 P>I C not_confirmed | 0 staff A9 A device; 1 patient G1 C alert; 6 patient G3 C measure_again; 12 patient A9 A measure_again; 12 patient G1 C all_clear; 12 staff G1 C all_clear
27 | | 0 spo2 91 invalid; 2 spo2 90 invalid; 3 spo2 97 invalid; 4 spo2 97 | 0 O1 I>P C met; 0 O2 I>P U met; 4 O1 P>I C not_confirmed; 4 O2 P>I U not_confirmed | 0 patient O1 C measure_again; 2 patient A9 A measure_again
28 | "plan":{"others":[{"G1":{"lo":60,"rearm":75}}]} | 0 glucose 59 claim=none; 5 glucose 190 claim=none; 10 glucose 60 | 10 G2 I>A U met | 0 staff G1 C alert; 0 hub G1 C alert; 10 patient G2 U alert; 10 staff G2 U alert
29 | | 0 set prompts=false; 1 glucose 50; 31 tick | 1 G1 I>A C met | 1 staff G1 C alert step=1; 31 staff G1 C alert step=2
30 | "plan":{"quiet":[600,660]},"limits":{"W1":null} | -4320 weight 8000; 0 weight 8300; 0 temp 385; 31 tick | 0 W2 I>P U met; 0 T1 I>P U met; 30 T1 P>A U silence | 0 patient W2 U measure_again until=60; 30 patient T1 U alert silent; 30 staff T1 U alert
31 | "limits":{"G2":{"rearm":71},"G5":null} | 0 glucose 69; 1 glucose 71; 2 glucose 69; 3 glucose 71; 4 glucose 69; 5 glucose 71; 6 glucose 69; 7 glucose 71; 8 glucose 69 | 0 G2 I>A U met; 1 G2 A>C U rearmed; 2 G2 C>A U met; 3 G2 A>C U rearmed; 4 G2 C>A U met; 5 G2 A>C U rearmed; 6 G2 C>A U met; 7 G2 A>C U rearmed; 8 G2 C>A U met | 0 patient G2 U alert; 0 staff G2 U alert; 1 patient G2 U all_clear; 1 staff G2 U all_clear; 2 patient G2 U alert; 2 staff G2 U alert; 3 patient G2 U all_clear; 3 staff G2 U all_clear; 4 patient G2 U alert; 4 staff G2 U alert; 5 patient G2 U all_clear; 5 staff G2 U all_clear; 6 staff G2 U summary
32 | | 0 cgm 69; 5 cgm 65; 10 cgm 60; 14:59 cgm 60; 15 cgm 60; 20 cgm 70; 30 cgm 75; 35 cgm 72 | 15 G2 I>A U met; 35 G2 A>C U rearmed | 15 patient G2 U alert; 15 staff G2 U alert; 35 patient G2 U all_clear; 35 staff G2 U all_clear
33 | "plan":{"tz":-300} | -1440 weight 8000; -1 set tz=60; 0 weight 8136; 60 tick | 0 W1 I>P U met; 60 W1 P>A U silence | 0 patient W1 U measure_again; 60 patient W1 U alert; 60 staff W1 U alert
34 | "limits":{"T1":{"level":"C"}} | 0 temp 380; 5 temp 374 | 0 T1 I>A C met; 5 T1 A>C C rearmed | 0 patient T1 C alert; 5 patient T1 C all_clear; 5 staff T1 C all_clear
35 | "limits":{"P1":{"rearm_sys":181}} | 0 tick | error limits |
"""
TEN = 20000 * DAY + 10 * HOUR  # 10:00 UTC of day 20000


def clock(text):
    minutes, _, seconds = text.partition(":")
    return TEN + int(minutes) * MINUTE + int(seconds or 0)


def items(text):
    return [part.split() for part in text.split(";") if part.strip()]


def example_event(at, kind, *rest):
    t, _, arrived = at.partition("@")
    event = dict(k=kind, t=clock(t))
    if kind == "symptom":
        event["q"] = rest[0]
    elif kind == "ack":
        event.update(rule=rest[0], by=rest[1])
    elif kind == "set":
        event.update((name, json.loads(value)) for name, value in (x.split("=") for x in rest))
    elif kind != "tick":
        event.update(k="reading", q=kind, arrived=clock(arrived or t))
        if rest[0] in ("HI", "LO"):
            event["sat"] = 1 if rest[0] == "HI" else -1
        else:
            event["v"] = json.loads("[" + rest[0].replace("/", ",") + "]" if kind == "bp" else rest[0])
        for more in rest[1:]:
            if more.startswith("claim="):
                event["claim"] = more[6:]
            else:
                event.setdefault("flags", []).append(more)
    return event


def example_transition(at, rule, states, level, reason, *late):
    names = dict(I="Idle", P="Pending", A="Active", K="Acked", C="Cleared")
    out = dict(t=clock(at), rule=rule, level=level, to=names[states[2]], reason=reason)
    return out | {"from": names[states[0]]} | ({"late": True} if late else {})


def example_notice(at, to, rule, level, kind, *rest):
    out = dict(t=clock(at), to=to, rule=rule, level=level, kind=kind)
    for more in rest:
        name, _, value = more.partition("=")
        if name == "until":
            out["deferred_until"] = clock(value)
        else:
            out[name] = int(value) if value else True
    return out


def example_cases():
    """(case, expected result) of each worked example."""
    for line in EXAMPLES.strip().splitlines():
        number, extra, events, transitions, notices = (part.strip() for part in line.split("|"))
        case = dict(id=int(number), events=[example_event(*e) for e in items(events)])
        case.update(json.loads("{" + extra + "}"))
        if transitions.startswith("error"):
            yield case, dict(id=case["id"], error=transitions.split()[1])
        else:
            yield case, dict(id=case["id"], transitions=[example_transition(*x) for x in items(transitions)],
                             notifications=[example_notice(*x) for x in items(notices)])


def selftest():
    bad = 0
    for case, expected in example_cases():
        got = run_line(json.dumps(case))
        if got != expected:
            bad += 1
            print(f"example {case['id']}\n  expected {dump(expected)}\n  got      {dump(got)}")
    print(f"{35 - bad} of 35 worked examples")
    return 1 if bad else 0


# ---- random cases -----------------------------------------------------------------------------------------------

GAPS = dict(
    fast=[0, 1, 30, 59, 60, 61, 119, 120, 121, 239, 240, 241, 299, 300, 301, 600],
    minutes=[0, 59, 60, 120, 240, 299, 300, 301, 599, 600, 601, 840, 899, 900, 901, 1799, 1800, 1801, 3600],
    hours=[300, 900, 1800, 3599, 3600, 3601, 7199, 7200, 7201, 4 * HOUR, 12 * HOUR, 20 * HOUR, DAY - 1, DAY, DAY + 1],
    days=[60, 600, 1800, HOUR, 8 * HOUR, DAY - 600, DAY, DAY + 1, DAY + 1200, 2 * DAY, 3 * DAY, 3 * DAY + 1, WEEK,
          WEEK + 1],
)


def near(rng, *centres):
    return rng.choice(centres) + rng.choice([-2, -1, -1, 0, 0, 1, 1, 2])


def random_limits(rng):
    limits = {}
    if rng.random() < 0.5:
        return limits

    def some(chance=0.2):
        return rng.random() < chance

    if some():
        low = rng.choice([20, 45, 54, 60, 70])
        limits["G1"] = dict(lo=low, rearm=rng.choice([low, low + 1, max(low, 70), 600]))
    if some():
        low = rng.choice([70, 71, 90])
        limits["G2"] = dict(lo=low, rearm=rng.choice([low, low + 1, 100]))
    if some():
        high = rng.choice([300, 400, 600])
        limits["G3"] = dict(hi=high, rearm=rng.choice([250, high, 20]))
    if some():
        high = rng.choice([180, 250, 300])
        limits["G4"] = dict(hi=high, rearm=rng.choice([high, 150]))
    if some():
        limits["G5"] = dict(lo=rng.choice([54, 70, 80, 20]))
    if some():
        limits["P1"] = dict(sys=rng.choice([160, 180]), dia=115, rearm_sys=rng.choice([150, 160]), rearm_dia=115)
    if some():
        limits["P2"] = dict(sys=85, sym=rng.choice([85, 95]), rearm=rng.choice([95, 110]))
    if some():
        limits["P3"] = rng.choice([{}, {}, dict(sys=150, dia=100, rearm_sys=145), None])
    if some():
        limits["H1"] = rng.choice([dict(hi=110, lo=50, rearm_hi=105, rearm_lo=50), dict(rearm_lo=40), dict(hi=125)])
    if some():
        limits["O1"] = dict(le=rng.choice([87, 90, 94]), rearm=rng.choice([95, 96]))
    if some():
        limits["O2"] = dict(le=95, rearm=96)
    if some():
        limits["W1"] = rng.choice([dict(gain=91, rearm=91), dict(gain=200), dict(rearm=1)])
    if some():
        limits["W2"] = rng.choice([dict(gain=150, med=150, rearm=100), dict(med=136), dict(gain=300)])
    if some(0.3):
        limits["T1"] = dict(level=rng.choice(["U", "C", "C"])) | rng.choice([{}, dict(ge=375, rearm=375)])
    for rule in TABLE:
        if rng.random() < 0.04:
            limits[rule] = None
    full = {rule: x if x is None else LIMITS[rule] | x for rule, x in limits.items()}
    for low, high, name in (("G1", "G2", "lo"), ("G4", "G3", "hi"), ("O1", "O2", "le")):
        a, b = full.get(low, LIMITS[low]), full.get(high, LIMITS[high])
        if a and b and a[name] > b[name] and rng.random() < 0.95:
            limits.pop(low, None)
            limits.pop(high, None)
    return limits


def random_plan(rng, base):
    plan = {}
    if rng.random() < 0.4:
        plan["tz"] = rng.choice([0, 60, -300, 330, 765, -720, 840])
    if rng.random() < 0.6:
        plan["quiet"] = rng.choice([None, None, [600, 600], [540, 660], [600, 605], [0, 1439], [1439, 0], [700, 690]])
    if rng.random() < 0.25:
        plan["mute"] = []
        for _ in range(rng.choice([1, 1, 2, 3])):
            start = base + rng.choice([0, 60, 600, HOUR, -HOUR, DAY]) + rng.choice([0, 0, 5, 86400 * 3])
            plan["mute"].append([start, start + rng.choice([1, 120, 900, HOUR, 12 * HOUR, 2 * DAY])])
    if rng.random() < 0.08:
        plan["prompts"] = rng.choice([True, False])
    if rng.random() < 0.05:
        plan["monitor"] = rng.choice([True, False])
    if rng.random() < 0.3:
        plan["shared"] = rng.choice([True, True, False])
    if rng.random() < 0.15:
        plan["start"] = base + rng.choice([0, 1, 600, DAY, -DAY, 3 * DAY])
    if rng.random() < 0.2:
        plan["others"] = [random_limits(rng) for _ in range(rng.choice([1, 1, 2, 3]))]
    return plan


class Generator:
    def __init__(self, rng):
        self.rng = rng
        self.now = TEN + rng.choice([0, 0, 0, -HOUR, 2 * HOUR, 11 * HOUR, 13 * HOUR, rng.randrange(0, DAY)])
        self.limits = random_limits(rng)
        self.plan = random_plan(rng, self.now)
        self.events, self.readings = [], []
        self.weight = rng.choice([8000, 8000, 6500, 29500])
        full = {}
        for rule, default in LIMITS.items():
            full[rule] = default | (self.limits.get(rule) or {})
        self.full = full
        self.trouble = rng.choice([0, 0, 0.05, 0.15])  # late, flagged, unclaimed
        self.ids = rng.choice([0, 0, 0.3, 0.9])

    def value(self, q):
        rng, x = self.rng, self.full
        ends = dict(pulse=[20, 25, 250, 300], spo2=[50, 100], temp=[250, 300, 430, 450],
                    weight=[1, 2000, 30000, 40000])
        if q in ends and rng.random() < 0.06:
            return "v", rng.choice(ends[q]) + rng.choice([-1, 0, 1])
        if q in ("glucose", "cgm"):
            if rng.random() < 0.04:
                return "sat", rng.choice([1, -1])
            kind = rng.random()
            if kind < 0.5:
                v = near(rng, x["G1"]["lo"], x["G2"]["lo"], x["G1"]["rearm"], x["G2"]["rearm"], x["G5"]["lo"])
            elif kind < 0.8:
                v = near(rng, x["G3"]["hi"], x["G3"]["rearm"], x["G4"]["hi"], x["G4"]["rearm"])
            elif kind < 0.88:
                v = near(rng, 10, 20, 38, 39, 401, 402, 600, 1000)
            else:
                v = rng.choice([100, 150, 45, 60, 260, 300, 450, 179, 301])
            return "v", v
        if q == "bp":
            kind = rng.random()
            high = near(rng, x["P1"]["sys"], x["P1"]["rearm_sys"], x["P2"]["sys"], x["P2"]["sym"], x["P2"]["rearm"],
                        x["P3"]["sys"], x["P3"]["rearm_sys"])
            low = near(rng, x["P1"]["dia"], x["P1"]["rearm_dia"], x["P3"]["dia"], 80, 80, 70)
            if kind < 0.1:
                high, low = near(rng, 60, 260, 20, 300), near(rng, 10, 30, 160, 200)
            elif kind < 0.3:
                low = high - near(rng, 0, 15, 20, 100)
            elif kind < 0.6:
                low = min(low, high - 25)
            return "v", [high, low]
        if q == "pulse":
            return "v", near(rng, *x["H1"].values(), 70, 70)
        if q == "spo2":
            return "v", near(rng, x["O1"]["le"], x["O1"]["rearm"], x["O2"]["le"], x["O2"]["rearm"],
                             97)
        if q == "temp":
            return "v", near(rng, x["T1"]["ge"], x["T1"]["rearm"], 370, 350)
        kind = rng.random()
        if kind < 0.08:
            return "v", self.weight + rng.choice([501, 500, 520, -501, -500, -600, 1000])
        w = x[rng.choice(["W1", "W2"])]
        v = self.weight + rng.choice([0, 0, 10, -20, *w.values(), *w.values()]) + rng.choice([-1, 0, 0, 1])
        if rng.random() < 0.15:
            self.weight += rng.choice([50, 90, 136, -90, -136, 226])
        return "v", max(1, v)

    def reading(self, q):
        rng = self.rng
        name, value = self.value(q)
        r = dict(k="reading", t=self.now, arrived=self.now, q=q)
        r[name] = value
        if rng.random() < self.trouble * 2:
            r["t"] -= rng.choice([1, 30, 60, 300, 900, 1800, HOUR, 2 * HOUR, 2 * HOUR + 1, 3 * HOUR, DAY, DAY + 1,
                                  3 * DAY, WEEK])
        elif rng.random() < 0.02:
            r["t"] += rng.choice([1, 600, 601, DAY])
        if rng.random() < self.trouble:
            r["flags"] = rng.choice([["invalid"], ["suspect"], ["invalid", "suspect"], []])
        if rng.random() < self.trouble:
            r["claim"] = rng.choice(["none", "none", "person", "auto"])
        if q == "weight" and rng.random() < 0.1:
            r["claim"] = "person"
        if rng.random() < self.ids:
            r["id"] = rng.choice([len(self.readings), len(self.readings), rng.randrange(0, 100)])
        if rng.random() < 0.2:
            r["dev"] = rng.choice([0, 1, 2])
        return r

    def add(self, event):
        self.events.append(event)
        if event["k"] == "reading":
            self.readings.append(event)

    def cgm_run(self):
        rng = self.rng
        x = self.full
        side = rng.choice(["low", "very low", "up", "high", "mixed"])
        for _ in range(rng.choice([3, 4, 5, 8, 15])):
            self.now += rng.choice([300, 300, 300, 300, 299, 301, 60, 900, 1800, 1801])
            r = self.reading("cgm")
            if rng.random() < 0.85 and side != "mixed":
                r.pop("sat", None)
                r["v"] = dict(zip(["low", "very low", "up", "high"], [
                    x["G2"]["lo"] - 1 - rng.randrange(0, 10), x["G1"]["lo"] - 1 - rng.randrange(0, 18),
                    x["G2"]["lo"] + rng.randrange(0, 15), x["G3"]["hi"] + rng.randrange(0, 5)]))[side]
            self.add(r)

    def burst(self):
        """Several stored readings that arrive at once, sorted by their time."""
        rng, q = self.rng, self.rng.choice(self.quantities)
        found = []
        for _ in range(rng.choice([2, 3, 6])):
            r = self.reading(q)
            r["t"] = self.now - rng.choice([0, 60, 600, HOUR, 2 * HOUR, 3 * HOUR, 20 * HOUR, DAY, 2 * DAY, 5 * DAY])
            found.append(r)
        for r in sorted(found, key=lambda r: r["t"]):
            self.add(r)

    def step(self):
        rng = self.rng
        self.now += rng.choice(GAPS[rng.choice(self.paces)])
        kind = rng.random()
        if kind < 0.66:
            self.add(self.reading(rng.choice(self.quantities)))
        elif kind < 0.70 and self.readings:
            twin = copy.deepcopy(rng.choice(self.readings[-70:]))
            twin["arrived"] = self.now
            if rng.random() < 0.2:
                twin["claim"] = rng.choice(["auto", "person", "none"])
            self.add(twin)
        elif kind < 0.76:
            self.add(dict(k="tick", t=self.now))
        elif kind < 0.82:
            self.add(dict(k="symptom", t=self.now, q=rng.choice(["general", "bp", "pulse"])))
        elif kind < 0.93:
            rules = [rule for q in self.quantities for rule in RULES_OF[q]]
            by = rng.choice(["patient", "staff", "staff"])
            self.add(dict(k="ack", t=self.now, rule=rng.choice(rules), by=by))
        elif kind < 0.95:
            event = dict(k="set", t=self.now)
            if rng.random() < 0.4:
                event["tz"] = rng.choice([0, 60, 120, -300])
            if rng.random() < 0.5:
                event["prompts"] = rng.random() < 0.6
            if rng.random() < 0.3:
                event["monitor"] = rng.random() < 0.7
            self.add(event)
        elif kind < 0.97:
            self.burst()
        elif "cgm" in self.quantities:
            self.cgm_run()

    def case(self, number):
        rng = self.rng
        self.quantities = rng.sample(list(RULES_OF), rng.choice([1, 1, 1, 2, 2, 3, 7]))
        if rng.random() < 0.15:
            self.quantities = ["glucose", "cgm"]
        self.paces = rng.choice([["fast"], ["minutes"], ["fast", "minutes"], ["hours"], ["minutes", "hours"], ["days"],
                                 ["minutes", "minutes", "minutes", "days"], list(GAPS)])
        steps = rng.choice([3, 8, 15, 30, 60] if rng.random() < 0.97 else [150, 300])
        if self.quantities == ["weight"]:
            self.paces = rng.choice([["days"], ["hours", "days"], ["minutes", "days"], list(GAPS)])
        for _ in range(steps):
            self.step()
        if rng.random() < 0.7:
            self.add(dict(k="tick", t=self.now + rng.choice([0, 60, 900, HOUR, DAY])))
        case = dict(id=number, events=self.events)
        if self.plan or rng.random() < 0.1:
            case["plan"] = self.plan
        if self.limits or rng.random() < 0.1:
            case["limits"] = self.limits
        if rng.random() < 0.04:
            spoil(rng, case)
        return case


def spoil(rng, case):
    """Makes one place of a case wrong, or at least odd."""
    case = case if rng.random() < 0.97 else dict(case)
    odd = [None, True, False, 1.0, 0.5, -1, 2**32, 2**32 - 1, 2**70, "", "x", "HI", [], [1], [1, 2], {}, 1000001, -1000000]
    if rng.random() < 0.1:
        case[rng.choice(["plan", "limits", "events", "more"])] = rng.choice(odd)
        return
    if rng.random() < 0.05:
        case.pop(rng.choice(["id", "events"]))
        return
    if rng.random() < 0.2:
        case["plan"] = dict(case.get("plan", {}))
        case["plan"][rng.choice([*PLAN, "odd"])] = rng.choice(odd)
        return
    if rng.random() < 0.4:
        case["limits"] = copy.deepcopy(case.get("limits", {}))
        rule = rng.choice([*TABLE, "A9"])
        if rng.random() < 0.2:
            case["limits"][rule] = rng.choice(odd)
            return
        mine = dict(case["limits"].get(rule) or {})
        name = rng.choice([*LIMITS.get(rule, {}), "odd"])
        before = mine.get(name, LIMITS.get(rule, {}).get(name))
        if type(before) is int and rng.random() < 0.7:
            mine[name] = rng.choice([before - 1, before + 1, before + 10, before - 30, 2 * before, 0, 19, 20, 600, 601])
        else:
            mine[name] = rng.choice(odd)
        case["limits"][rule] = mine
        return
    events = case["events"]
    if not events:
        return
    index = rng.randrange(len(events))
    event = copy.deepcopy(events[index])
    kind = rng.random()
    if kind < 0.2:
        name = "arrived" if event["k"] == "reading" else "t"
        event[name] -= rng.choice([1, 60, DAY])
    elif kind < 0.4:
        event.pop(rng.choice(list(event)))
    elif kind < 0.5:
        event[rng.choice(["v", "sat", "id", "q", "by", "tz", "flags", "odd"])] = rng.choice(odd)
    elif kind < 0.53:
        event = rng.choice(odd)
    else:
        event[rng.choice(list(event))] = rng.choice(odd + [[None, 3], ["invalid", 1], [120, 80.0], [True, 80], "staff"])
    events[index] = event


EDGES = dict(G1=[20, 600], G2=[20, 600], G3=[20, 600], G4=[20, 600], G5=[20, 600], P1=[60, 260, 30, 160],
             P2=[60, 260], P3=[60, 260, 30, 160], H1=[25, 250, 100], O1=[50, 100], O2=[50, 100], W1=[0, 1, 100],
             W2=[0, 1, 100], T1=[300, 430])


def edge_case(rng, number):
    """Limits at and beside the ends of what is allowed, and no more."""
    limits, event = {}, dict(k="tick", t=0)
    for rule in rng.sample(TABLE, rng.choice([1, 1, 1, 2])):
        x = limits[rule] = {}
        for name, default in LIMITS[rule].items():
            if name != "level" and rng.random() < 0.9:
                edges = EDGES[rule]
                if len(edges) == 4:
                    edges = edges[:2] if "sys" in name else edges[2:]
                edge = rng.choice([*edges, default]) if rng.random() < 0.5 else min(edges)
                if name in ("hi", "sys", "dia", "rearm", "gain", "med", "ge", "rearm_hi") and rng.random() < 0.5:
                    edge = max(edges)
                x[name] = edge + rng.choice([-1, 0, 0, 0, 0, 1, 2])
    if rng.random() < 0.2:
        name = rng.choice(["t", "arrived", "id", "dev", "v"])
        event = dict(k="reading", t=0, arrived=0, q="pulse", v=70)
        event[name] = rng.choice([-1, 0, 2**32 - 1, 2**32, 1000000, 1000001, -1000000, -1000001])
    case = dict(id=number, limits=limits, events=[event])
    if rng.random() < 0.3:
        name, values = rng.choice([("tz", [1440, 1441, -1440, -1441]), ("start", [0, -1, 2**32 - 1, 2**32]), (
            "quiet", [[0, 1439], [0, 1440], [-1, 5], [1, 2, 3]]), ("mute", [[[0, 2**32 - 1]], [[-1, 5]], [[5]]])])
        case["plan"] = {name: rng.choice(values)}
        if rng.random() < 0.7:
            case["limits"] = {}
    return case


def random_case(rng, number):
    return edge_case(rng, number) if rng.random() < 0.08 else Generator(rng).case(number)


def main():
    if sys.argv[1:2] == ["--selftest"]:
        return selftest()
    if sys.argv[1:2] == ["--random"]:
        rng = random.Random(int(sys.argv[2]))
        for number in range(int(sys.argv[3])):
            print(json.dumps(random_case(rng, number)))
        return 0
    status = 0
    for line in sys.stdin.buffer:
        if line.strip():
            result = run_line(line)
            status |= "error" in result
            sys.stdout.buffer.write(dump(result).encode("utf-8") + b"\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
