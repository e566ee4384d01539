#!/usr/bin/env python3
"""A second implementation of rule NI-1, written from the specification alone and as plainly as possible.

Reads cases as JSON lines on standard input and writes results as `hearth assess` does, so that the two can be
compared: `ni1.py < cases.jsonl | diff - <(hearth assess < cases.jsonl)`. It only knows well-formed cases.
`ni1.py --random SEED COUNT` prints random cases instead.
"""
import json
import random
import sys
from math import isqrt

DEFAULTS = dict(
    horizon=42, base_before=14, base_after=7, base_after_max=14, base_want=7, base_min=6, recent=21, recent_min=8,
    fresh=7, fresh_min=2, drop_first=1, lookback=90, dir="down", target={"lo": 80, "hi": 130}, mid={"abs": 20},
    grey=[1, 3], noisy=[2, 1], z_trend=[200, 100], z_worse=[165, 100], z_ci=[165, 100], vif=[3, 2], defer_max=2,
    step=7, first_interim=21, last_eval=84, cooldown=14, max_prompts=3, plaus=[20, 600], k_per_day=8, day_start=0,
    tod=None, ctx=None, tz=0, summary="median", tir={"lo": 70, "hi": 180, "slot": 5, "min_n": 202}, events=[],
)


def middle(values):
    """Sum of the two middle values of a list in any order."""
    values = sorted(values)
    return values[(len(values) - 1) // 2] + values[len(values) // 2]


def daily(plan, readings):
    """B3: local day -> y, and the first day ever measured."""
    best = {}
    for r in readings:
        sat = r.get("sat", 0)
        value = plan["plaus"][1] if sat == 1 else plan["plaus"][0] if sat == -1 else r["v"]
        if r.get("q", False) or not plan["plaus"][0] <= value <= plan["plaus"][1]:
            continue
        if plan["ctx"] is not None and r.get("ctx") != plan["ctx"]:
            continue
        local = r["t"] + 60 * r.get("tz", plan["tz"])
        minute = local % 86400 // 60
        if plan["tod"] is not None and not plan["tod"][0] <= minute < plan["tod"][1]:
            continue
        key = ("id", r["id"]) if "id" in r else ("tv", r["t"], value)
        if key not in best or (local, value) < best[key]:
            best[key] = (local, value)
    days = {}
    for local, value in best.values():
        day = (local - 60 * plan["day_start"]) // 86400
        if day >= plan["start"] - plan["lookback"]:
            days.setdefault(day, []).append((local, value))
    first = min(days) if days else None
    result = {}
    for day, list_ in days.items():
        list_.sort()
        if plan["summary"] == "median":
            result[day] = middle([v for _, v in list_[: plan["k_per_day"]]])
        else:
            tir, slots = plan["tir"], {}
            for local, value in list_:
                slots.setdefault(local % 86400 // (60 * tir["slot"]), value)
            if len(slots) >= tir["min_n"]:
                inside = sum(tir["lo"] <= v <= tir["hi"] for v in slots.values())
                result[day] = 2 * (1000 * inside // len(slots))
    return result, first


def effective_start(plan, day):
    return max([plan["start"]] + [e["day"] for e in plan["events"] if e["day"] <= day and e["day"] >= plan["start"]])


def evaluate(plan, y, first, E):
    s, L = effective_start(plan, E), plan["horizon"]
    final = E >= s + L
    k = (E - s - L) // plan["step"] if final else 0
    known = sorted(d for d in y if d < E and not (plan["drop_first"] and d == first))
    base = [d for d in known if s - plan["base_before"] <= d < s + plan["base_after"]]
    end = s + plan["base_after"]
    for d in known:
        if len(base) >= plan["base_want"]:
            break
        if s + plan["base_after"] <= d < s + plan["base_after_max"]:
            base.append(d)
            end = d + 1
    recent = [d for d in known if d >= end and E - plan["recent"] <= d]
    trend = [d for d in known if d >= s - plan["base_before"]]
    ev = dict(start=s, n_base=len(base), n_base_pre=sum(d < s for d in base), n_recent=len(recent),
              n_trend=len(trend), last_day=known[-1] if known else None)
    out = dict(day=E, phase="final" if final else "interim", k=k, evidence=ev)

    def say(verdict, reason=None):
        out.update(verdict=verdict, reason=reason)
        return out

    if not recent or len(recent) < plan["recent_min"]:
        return say("InsufficientData", "Recent")
    if sum(d >= E - plan["fresh"] for d in recent) < plan["fresh_min"]:
        return say("InsufficientData", "Stale")
    med4 = middle([y[d] for d in recent])
    ev["recent_med4"] = med4
    base4 = middle([y[d] for d in base]) if base and len(base) >= plan["base_min"] else None
    if base4 is not None:
        ev["base_med4"] = base4
    down, target = plan["dir"] == "down", plan["target"]
    if "drop_bp" in target:
        bp = target["drop_bp"]
        reached = base4 is not None and (med4 * 10000 <= base4 * (10000 - bp) if down
                                         else med4 * 10000 >= base4 * (10000 + bp))
    else:
        lo, hi = target.get("lo"), target.get("hi")
        below = lo is not None and med4 < 4 * lo
        above = hi is not None and med4 > 4 * hi
        reached = not below and not above
        if (below if down else above):
            ev["overshoot"] = True
    if reached:
        return say("AtTarget")
    if base4 is None:
        return say("InsufficientData", "Baseline")
    sign = 1 if down else -1
    diffs = sorted(sign * (y[a] - y[c]) for a in base for c in recent)
    shift4 = middle(diffs)
    m, n = len(base), len(recent)
    z, zd = plan["z_ci"]
    vn, vd = plan["vif"]
    q = isqrt(z * z * m * n * (m + n + 1) * vn // (12 * zd * zd * vd))
    K = min(max(0, m * n // 2 - q), (m * n - 1) // 2)
    lo4, hi4 = 2 * diffs[K], 2 * diffs[-1 - K]
    ys = [sign * y[d] for d in trend]
    N = len(ys)
    S = sum((ys[i] > ys[j]) - (ys[i] < ys[j]) for j in range(N) for i in range(j))
    var18 = N * (N - 1) * (2 * N + 5)
    for v in set(ys):
        t = ys.count(v)
        var18 -= t * (t - 1) * (2 * t + 5)

    def passes(s_, zz):
        return s_ > 0 and 18 * (s_ - 1) ** 2 * zz[1] ** 2 * vd >= zz[0] ** 2 * var18 * vn

    slopes = [(ys[i] - ys[j]) * L // (trend[j] - trend[i]) for j in range(N) for i in range(j)]
    trend4 = middle(slopes)
    mid = plan["mid"]
    mid4 = 4 * mid["abs"] if "abs" in mid else max(1, -(-abs(base4) * mid["bp"] // 10000))
    ev.update(shift4=shift4, shift_lo4=lo4, shift_hi4=hi4, mk_s=S, mk_var18=var18, trend4=trend4, mid4=mid4)
    if shift4 <= -mid4 and passes(-S, plan["z_worse"]):
        return say("Worsening")
    by_trend = trend4 >= mid4 and passes(S, plan["z_trend"])
    nn, nd = plan["noisy"]
    if not by_trend and (hi4 - lo4) * nd > 2 * nn * mid4 and lo4 < mid4 <= hi4:
        return say("InsufficientData", "TooNoisy")
    gn, gd = plan["grey"]
    if not by_trend and k < plan["defer_max"] and abs(shift4 - mid4) * gd < gn * mid4:
        return say("InsufficientData", "Borderline")
    if shift4 >= mid4:
        return say("Improving", "Shift")
    if by_trend:
        return say("Improving", "Trend")
    return say("NotImproving")


def schedule(plan):
    """B5: all evaluation days, start by start."""
    starts = sorted({plan["start"]} | {e["day"] for e in plan["events"] if e["day"] > plan["start"]})
    days = []
    for index, s in enumerate(starts):
        stop = starts[index + 1] if index + 1 < len(starts) else None
        L, step = plan["horizon"], plan["step"]
        own = {s + L - step * j for j in range(1, L // step + 2) if s + L - step * j >= s + plan["first_interim"]}
        own = {d for d in own if d < s + L}
        d = s + L
        while d <= s + plan["last_eval"]:
            own.add(d)
            d += step
        days += sorted(d for d in own if stop is None or d < stop)
    return days


class Published:
    """B5: published verdict and action."""

    def __init__(self):
        self.start = None

    def reset(self, start):
        self.start, self.published, self.worse = start, None, 0
        self.finals, self.row, self.noisy_task = [], 0, False
        self.last_visit, self.visits, self.visit_task = None, 0, False

    def take(self, plan, out):
        ev = out["evidence"]
        if ev["start"] != self.start:
            self.reset(ev["start"])
        verdict, reason, day, final = out["verdict"], out["reason"], out["day"], out["phase"] == "final"
        if not final:
            self.worse = self.worse + 1 if verdict == "Worsening" else 0
            if self.worse >= 2 and self.published is None:
                self.published = "Worsening"
        elif not self.finals or (self.published == "InsufficientData" and verdict != "InsufficientData"):
            self.published = verdict
        elif verdict != self.published and self.given_before(verdict):
            self.published = verdict
        if final:
            self.finals.append(verdict)
        out["published"] = self.published
        out["action"] = self.action(plan, verdict, reason, day, final, out["k"])
        return out

    def given_before(self, verdict):
        """An earlier final evaluation gave it, with none but InsufficientData since."""
        for earlier in reversed(self.finals):
            if earlier == verdict:
                return True
            if earlier != "InsufficientData":
                return False
        return False

    def action(self, plan, verdict, reason, day, final, k):
        bad = ("NotImproving", "Worsening")
        if not final:
            return self.visit(plan, day) if verdict == "Worsening" == self.published else "None"
        if verdict == "InsufficientData" and reason in ("Recent", "Stale", "Baseline"):
            self.row += 1
            return {1: "MeasureMore", 2: "CareTeamTask"}.get(self.row, "None")
        self.row = 0
        if reason == "TooNoisy":
            if k < plan["defer_max"]:
                return "MeasureMore"
            if self.noisy_task:
                return "None"
            self.noisy_task = True
            return "CareTeamTask"
        if verdict in bad and self.published in bad:
            return self.visit(plan, day)
        return "None"

    def visit(self, plan, day):
        if self.last_visit is not None and day - self.last_visit < plan["cooldown"]:
            return "None"
        if self.visits < plan["max_prompts"]:
            self.visits, self.last_visit = self.visits + 1, day
            return "FollowUpVisit"
        if self.visit_task:
            return "None"
        self.visit_task = True
        return "CareTeamTask"


def assess(case):
    plan = DEFAULTS | case["plan"]
    y, first = daily(plan, case["readings"])
    days = sorted(case["eval_days"]) if "eval_days" in case else schedule(plan)
    state = Published()
    return dict(id=case["id"], evals=[state.take(plan, evaluate(plan, y, first, d)) for d in days])


def random_case(rng, number):
    start = rng.randrange(20, 20000)
    plan = {"start": start}
    if rng.random() < 0.3:
        plan["dir"] = "up"
    if rng.random() < 0.4:
        plan["target"] = rng.choice([{"hi": 130}, {"lo": 150}, {"drop_bp": 500}, {"lo": 100, "hi": 140}])
    if rng.random() < 0.4:
        plan["mid"] = rng.choice([{"abs": 5}, {"abs": 40}, {"bp": 60}, {"bp": 1100}])
    if rng.random() < 0.3:
        plan["events"] = [{"day": start + rng.randrange(-20, 70)} for _ in range(rng.randrange(1, 4))]
    for name, values in dict(horizon=[28, 42, 56, 43], step=[7, 5, 14], k_per_day=[1, 3, 8], day_start=[0, 240],
                             drop_first=[0, 1], lookback=[0, 10, 90], base_min=[0, 3, 6], base_want=[4, 7, 10],
                             recent_min=[0, 4, 8], fresh_min=[0, 2], defer_max=[0, 2], cooldown=[7, 14, 21],
                             max_prompts=[1, 2, 3], first_interim=[0, 21, 30], tz=[0, 60, -300, 765],
                             tod=[None, [240, 660]], ctx=[None, "fasting"], vif=[[3, 2], [1, 1]],
                             grey=[[1, 3], [1, 2]], noisy=[[2, 1], [1, 2]]).items():
        if rng.random() < 0.2:
            plan[name] = rng.choice(values)
    if rng.random() < 0.08:
        plan.update(summary="tir", dir="up", target={"lo": 700}, mid={"abs": 100},
                    tir={"lo": 70, "hi": 180, "slot": 60, "min_n": 3})
    level, slope, noise = rng.randrange(90, 260), rng.uniform(-1.2, 0.8), rng.choice([2, 8, 20, 50])
    readings = []
    for day in range(start - rng.choice([0, 14, 25]), start + rng.choice([30, 60, 90])):
        if rng.random() < 0.3:
            continue
        for _ in range(rng.choice([1, 1, 1, 2, 4, 12])):
            t = day * 86400 + rng.randrange(0, 86400) if rng.random() < 0.3 else day * 86400 + 8 * 3600
            value = level + slope * max(0, day - start) + rng.gauss(0, noise)
            r = {"t": t, "v": max(1, int(value))}
            if rng.random() < 0.1:
                r["tz"] = rng.choice([0, 60, 120, -480])
            if rng.random() < 0.5:
                r["id"] = f"d/{rng.randrange(0, 400)}"
            if rng.random() < 0.6 or plan.get("ctx"):
                r["ctx"] = rng.choice(["fasting", "fasting", "casual"])
            if rng.random() < 0.03:
                r["sat"] = rng.choice([1, -1, 0])
            if rng.random() < 0.03:
                r["q"] = rng.choice([True, False])
            readings.append(r)
    rng.shuffle(readings)
    case = {"id": number, "plan": plan, "readings": readings}
    if rng.random() < 0.3:
        case["eval_days"] = [start + rng.randrange(-5, 100) for _ in range(rng.randrange(0, 8))]
    return case


def main():
    if sys.argv[1:2] == ["--random"]:
        rng = random.Random(int(sys.argv[2]))
        for number in range(int(sys.argv[3])):
            print(json.dumps(random_case(rng, number)))
        return
    for line in sys.stdin:
        print(json.dumps(assess(json.loads(line)), sort_keys=True, separators=(",", ":")))


if __name__ == "__main__":
    main()
