//! The notices of one event: at most one per family to the patient, in the stated order.

use super::plan::Context;
use super::words::{Level, NoticeKind, Notification, RULES, Recipient, RuleId, Sink, Source};

/// What one rule wants to say to one recipient.
#[derive(Clone, Copy)]
struct Wish {
    level: Level,
    kind: NoticeKind,
    step: Option<u8>,
    late: bool,
    deferred_until: Option<u64>,
}

/// The all-clear of one rule, sent if no other rule of its family is in force afterwards.
#[derive(Clone, Copy)]
struct AllClear {
    level: Level,
    patient: bool,
    staff: bool,
}

/// Collects what the rules want to say during one event.
#[derive(Default)]
pub(super) struct Notices {
    device: bool,
    claim: bool,
    request: bool,
    patient: [Option<Wish>; RULES],
    staff: [Option<Wish>; RULES],
    hub: [Option<Wish>; RULES],
    clear: [Option<AllClear>; RULES],
}

impl Notices {
    /// Anything but an all-clear is to be said already.
    pub(super) fn any(&self) -> bool {
        let wishes = || self.patient.iter().chain(&self.staff).chain(&self.hub);
        self.device || self.claim || wishes().any(Option::is_some)
    }

    pub(super) fn device(&mut self) {
        self.device = true;
    }

    pub(super) fn claim(&mut self) {
        self.claim = true;
    }

    /// The request to repeat a suspicious reading.
    pub(super) fn request(&mut self) {
        self.request = true;
    }

    pub(super) fn patient(&mut self, rule: RuleId, level: Level, kind: NoticeKind) {
        let wish = Wish { level, kind, step: None, late: false, deferred_until: None };
        self.put(Recipient::Patient, rule, wish);
    }

    /// The request of a rule to measure again, put off until `open` where that is given.
    pub(super) fn measure_again(&mut self, rule: RuleId, level: Level, open: Option<u64>) {
        let kind = NoticeKind::MeasureAgain;
        let wish = Wish { level, kind, step: None, late: false, deferred_until: open };
        self.put(Recipient::Patient, rule, wish);
    }

    pub(super) fn staff(&mut self, rule: RuleId, level: Level, kind: NoticeKind, late: bool) {
        let wish = Wish { level, kind, step: None, late, deferred_until: None };
        self.put(Recipient::Staff, rule, wish);
    }

    pub(super) fn ladder(&mut self, rule: RuleId, level: Level, step: u8, late: bool) {
        let kind = NoticeKind::Alert;
        let wish = Wish { level, kind, step: Some(step), late, deferred_until: None };
        self.put(Recipient::Staff, rule, wish);
    }

    /// A critical rule holds for an unclaimed reading: staff and hub, without a name.
    pub(super) fn unclaimed(&mut self, rule: RuleId, late: bool) {
        let (level, kind) = (Level::Critical, NoticeKind::Alert);
        let wish = Wish { level, kind, step: None, late, deferred_until: None };
        self.put(Recipient::Staff, rule, wish);
        self.put(Recipient::Hub, rule, wish);
    }

    pub(super) fn all_clear(&mut self, rule: RuleId, level: Level, patient: bool, staff: bool) {
        if let Some(slot) = self.clear.get_mut(rule.index()) {
            *slot = Some(AllClear { level, patient, staff });
        }
    }

    fn put(&mut self, to: Recipient, rule: RuleId, wish: Wish) {
        let slots = match to {
            Recipient::Patient => &mut self.patient,
            Recipient::Staff => &mut self.staff,
            Recipient::Hub => &mut self.hub,
        };
        if let Some(slot) = slots.get_mut(rule.index()) {
            *slot = Some(wish);
        }
    }

    /// Says everything. `in_force` tells whether a rule is Pending, Active or Acked now.
    pub(super) fn flush(
        mut self,
        context: &Context<'_>,
        in_force: impl Fn(RuleId) -> bool,
        out: &mut impl Sink,
    ) {
        self.drop_early_all_clears(in_force);
        if context.settings.prompts {
            self.keep_one_per_family();
        } else {
            self.patient = [None; RULES];
            self.clear.iter_mut().flatten().for_each(|clear| clear.patient = false);
            self.request = false;
        }
        let say = Speaker { context, hushed: context.hushed() };
        if self.device {
            say.plausibility(Recipient::Staff, NoticeKind::Device, out);
        }
        let ids = RuleId::ALL.iter().copied();
        let rows = self.patient.iter().zip(&self.staff).zip(&self.hub);
        for (rule, ((patient, staff), hub)) in ids.clone().zip(rows) {
            say.wish(Recipient::Patient, rule, *patient, out);
            say.wish(Recipient::Staff, rule, *staff, out);
            say.wish(Recipient::Hub, rule, *hub, out);
        }
        if self.claim {
            say.plausibility(Recipient::Hub, NoticeKind::Claim, out);
        }
        if self.request {
            say.plausibility(Recipient::Patient, NoticeKind::MeasureAgain, out);
        }
        for (rule, clear) in ids.zip(&self.clear) {
            let Some(clear) = clear else { continue };
            let kind = NoticeKind::AllClear;
            let wish =
                Wish { level: clear.level, kind, step: None, late: false, deferred_until: None };
            say.wish(Recipient::Patient, rule, clear.patient.then_some(wish), out);
            say.wish(Recipient::Staff, rule, clear.staff.then_some(wish), out);
        }
    }

    fn drop_early_all_clears(&mut self, in_force: impl Fn(RuleId) -> bool) {
        for (rule, clear) in RuleId::ALL.iter().zip(&mut self.clear) {
            let family = RuleId::ALL.iter().filter(|r| r.family() == rule.family());
            if family.filter(|r| *r != rule).any(|r| in_force(*r)) {
                *clear = None;
            }
        }
    }

    /// Highest level first, then alert, repeat, measure_again, all_clear, then table order.
    fn keep_one_per_family(&mut self) {
        let rank = |level: Level, kind: NoticeKind| {
            let kind = match kind {
                NoticeKind::Alert => 3,
                NoticeKind::Repeat => 2,
                NoticeKind::MeasureAgain => 1,
                _ => 0,
            };
            (level, kind)
        };
        let mut best: [Option<(Level, u8)>; RULES] = [None; RULES];
        for (index, slot) in best.iter_mut().enumerate() {
            let wish = self.patient.get(index).copied().flatten();
            let clear = self.clear.get(index).copied().flatten().filter(|clear| clear.patient);
            *slot = match (wish, clear) {
                (Some(wish), _) => Some(rank(wish.level, wish.kind)),
                (None, Some(clear)) => Some(rank(clear.level, NoticeKind::AllClear)),
                (None, None) => None,
            };
        }
        for (index, rule) in RuleId::ALL.iter().enumerate() {
            let Some(own) = best.get(index).copied().flatten() else { continue };
            let rivals = RuleId::ALL.iter().zip(&best).enumerate();
            let beaten = rivals
                .filter(|(i, (other, _))| *i != index && other.family() == rule.family())
                .any(|(i, (_, rank))| rank.is_some_and(|r| r > own || (r == own && i < index)));
            if !beaten {
                continue;
            }
            if let Some(slot) = self.patient.get_mut(index) {
                *slot = None;
            }
            if let Some(Some(clear)) = self.clear.get_mut(index) {
                clear.patient = false;
            }
        }
    }
}

/// Adds what quiet hours and mutes do to a notice.
struct Speaker<'a> {
    context: &'a Context<'a>,
    hushed: bool,
}

impl Speaker<'_> {
    fn wish(&self, to: Recipient, rule: RuleId, wish: Option<Wish>, out: &mut impl Sink) {
        let Some(wish) = wish else { return };
        let gentle = wish.level != Level::Critical || wish.kind == NoticeKind::AllClear;
        let asks = wish.kind == NoticeKind::MeasureAgain;
        let advisory = wish.level == Level::Advisory;
        out.notification(Notification {
            t: self.context.now,
            to,
            rule: Source::Rule(rule),
            level: wish.level,
            kind: wish.kind,
            step: wish.step,
            late: wish.late,
            silent: to == Recipient::Patient && self.hushed && gentle && !asks,
            deferred_until: if advisory { self.morning() } else { wish.deferred_until },
        });
    }

    fn plausibility(&self, to: Recipient, kind: NoticeKind, out: &mut impl Sink) {
        out.notification(Notification {
            t: self.context.now,
            to,
            rule: Source::Plausibility,
            level: Level::Advisory,
            kind,
            step: None,
            late: false,
            silent: false,
            deferred_until: self.morning(),
        });
    }

    /// Advisory notices wait for the end of the quiet hours, not of a mute.
    fn morning(&self) -> Option<u64> {
        self.context.quiet_end().and_then(|end| u64::try_from(end).ok())
    }
}
