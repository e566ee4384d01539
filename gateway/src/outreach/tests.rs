#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::need::Finding;
use super::*;
use crate::clock::BootId;
use crate::store::need::NeedState;
use crate::store::patient::Person;
use crate::store::plan::Plan;
use crate::store::task::{self, Task};
use crate::store::{Store, need as needs};

pub(crate) const PROGRAMME: &str = "fasting-glucose-6w";

pub(crate) struct Home {
    pub(crate) store: Store,
}

/// Runs something with the built-in texts and programmes.
pub(crate) fn with_context<T>(work: impl FnOnce(&Context<'_>) -> T) -> T {
    static DATA: std::sync::OnceLock<(&Templates, Library)> = std::sync::OnceLock::new();
    let (templates, programmes) =
        DATA.get_or_init(|| (Templates::builtin().unwrap(), Library::built_in()));
    work(&Context { gateway: "g1", templates, programmes })
}

pub(crate) fn now_at(text: &str) -> Now {
    let wall = local::parse_moment(text).unwrap();
    Now { wall, monotonic_ms: 0, boot: BootId([0; 16]), trusted: true }
}

pub(crate) fn ana() -> Patient {
    Patient {
        id: "p1".into(),
        zone: Some("Europe/Madrid".into()),
        language: Some("es".into()),
        monitoring: true,
        prompts: Some(true),
        quiet_min: Some((1320, 420)),
        start: local::parse_moment("2026-01-01T00:00:00Z").unwrap(),
        limits: serde_json::Map::new(),
        mutes: Vec::new(),
        daily_cap: 2,
        closed: None,
    }
}

fn short() -> std::collections::BTreeMap<String, String> {
    [("es".to_owned(), "Su glucosa no ha bajado.".to_owned())].into()
}

impl Home {
    pub(crate) fn new(name: &str, patient: &Patient) -> Self {
        let mut home = Self { store: Store::open_shared_memory(name).unwrap() };
        home.within(|tx, _| {
            patient::put(tx, patient)?;
            patient::put_person(
                tx,
                &patient.id,
                &Person { name: Some("Ana".into()), contact: None },
            )?;
            plan::put(tx, &Plan::new("plan1", patient.id.as_str(), PROGRAMME, 20_500))
        });
        home
    }

    pub(crate) fn within<T>(
        &mut self,
        work: impl FnOnce(&Tx<'_>, &Context<'_>) -> Result<T, StoreError>,
    ) -> T {
        let store = &mut self.store;
        with_context(|ctx| store.transaction(|tx| work(tx, ctx)).unwrap())
    }

    fn find(&mut self, at: &str) -> Uuid {
        let finding = Finding {
            plan: "plan1",
            patient: "p1",
            kind: "follow_up_visit",
            reason: "Not improving in six weeks.",
            short: &short(),
            day: 20_542,
        };
        self.within(|tx, ctx| need::find(tx, ctx, &finding, now_at(at)))
    }

    /// Ticks as the program would: whenever it was asked to, until a moment.
    fn live(&mut self, from: &str, until: &str) {
        let end = local::parse_moment(until).unwrap();
        let mut now = now_at(from);
        for _ in 0..1000 {
            let next = self.within(|tx, ctx| tick(tx, ctx, now));
            match next {
                Some(next) if next <= end => now.wall = next,
                _ => return,
            }
        }
        panic!("it never came to rest");
    }

    fn sent(&mut self) -> Vec<Prompt> {
        let mut sent = self.within(|tx, _| prompt::list(tx, None));
        sent.retain(|prompt| prompt.sent.is_some());
        sent.sort_by_key(|prompt| prompt.sent);
        sent
    }

    fn need(&mut self, id: Uuid) -> crate::store::need::Need {
        self.within(|tx, _| needs::get(tx, id)).unwrap()
    }

    fn tasks(&mut self) -> Vec<Task> {
        self.within(|tx, _| task::list(tx, None))
    }
}

fn at(prompt: &Prompt) -> String {
    local::rfc3339(prompt.sent.unwrap())
}

#[test]
fn two_tries_at_a_good_hour_in_her_language_then_a_nurse_with_the_reason() {
    let mut home = Home::new("two_tries", &ana());
    let id = home.find("2026-03-02T02:00:00Z");
    home.live("2026-03-02T02:00:00Z", "2026-03-30T00:00:00Z");
    let sent = home.sent();
    // Nine in the morning in Madrid, three days apart.
    let times: Vec<_> = sent.iter().map(at).collect();
    assert_eq!(times, ["2026-03-02T08:00:00.000Z", "2026-03-05T08:00:00.000Z"]);
    assert!(
        sent[0].text.starts_with("Hola, Ana. Su glucosa no ha bajado. Puede"),
        "{}",
        sent[0].text
    );
    assert_eq!((sent[0].local_hour, sent[1].attempt), (Some(9), 2));
    let tasks = home.tasks();
    assert_eq!(tasks.len(), 1);
    assert_eq!(local::rfc3339(tasks[0].made), "2026-03-08T08:00:00.000Z");
    assert_eq!(
        tasks[0].reason,
        "Not improving in six weeks. 2 prompts were sent (2026-03-02 09:00, 2026-03-05 09:00) \
         without an answer."
    );
    assert_eq!(home.need(id).state, NeedState::HandedToNurse);
    let booked = home.need(id);
    home.within(|tx, _| need::book(tx, booked, now_at("2026-03-09T10:00:00Z")));
    assert_eq!(home.need(id).state, NeedState::Booked);
    assert_eq!(home.tasks()[0].outcome.as_deref(), Some("booked"));
    assert_eq!(home.sent()[1].outcome.as_deref(), Some("booked"));
}

#[test]
fn a_confirmed_need_is_the_same_need() {
    let mut home = Home::new("confirmed", &ana());
    let id = home.find("2026-03-02T02:00:00Z");
    home.live("2026-03-02T02:00:00Z", "2026-03-03T00:00:00Z");
    assert_eq!(home.find("2026-03-03T02:00:00Z"), id);
    home.live("2026-03-03T02:00:00Z", "2026-03-04T00:00:00Z");
    assert_eq!(home.sent().len(), 1);
}

#[test]
fn stop_in_the_middle_ends_prompts_and_a_nurse_takes_over() {
    let mut home = Home::new("stop", &ana());
    let id = home.find("2026-03-02T02:00:00Z");
    home.live("2026-03-02T02:00:00Z", "2026-03-03T00:00:00Z");
    let first = home.sent().remove(0);
    let now = now_at("2026-03-03T10:00:00Z");
    home.within(|tx, ctx| answer::take(tx, ctx, first, "stop", now));
    home.live("2026-03-03T10:00:00Z", "2026-05-01T00:00:00Z");
    assert_eq!(home.sent().len(), 1);
    assert_eq!(home.need(id).state, NeedState::HandedToNurse);
    assert!(home.tasks()[0].reason.ends_with("The patient has stopped prompts."));
}

#[test]
fn a_call_for_help_is_heard_whatever_became_of_the_prompt() {
    let mut home = Home::new("late_help", &ana());
    let id = home.find("2026-03-02T09:00:00Z");
    home.within(|tx, ctx| tick(tx, ctx, now_at("2026-03-02T09:00:00Z")));
    let sent = home.sent().remove(0);
    let known = home.need(id);
    home.within(|tx, _| need::book(tx, known, now_at("2026-03-02T10:00:00Z")));
    let press = |home: &mut Home, word: &str| {
        let prompt = home.within(|tx, _| prompt::get(tx, sent.id)).unwrap();
        home.within(|tx, ctx| answer::take(tx, ctx, prompt, word, now_at("2026-03-02T11:00:00Z")))
    };
    assert_eq!(press(&mut home, "later"), answer::Answered::TooLate);
    for _ in 0..2 {
        assert_eq!(press(&mut home, "help"), answer::Answered::Noted);
    }
    let tasks = home.tasks();
    assert_eq!(tasks.len(), 1, "one call, however often it is pressed");
    assert_eq!((tasks[0].kind.as_str(), tasks[0].level.as_str()), ("call", "U"));
    assert_eq!(home.need(id).state, NeedState::Booked);
}

#[test]
fn booking_takes_back_what_waits() {
    let mut home = Home::new("booking", &ana());
    let id = home.find("2026-03-02T02:00:00Z");
    home.live("2026-03-02T02:00:00Z", "2026-03-02T03:00:00Z");
    let need = home.need(id);
    home.within(|tx, _| need::book(tx, need, now_at("2026-03-02T03:00:00Z")));
    home.live("2026-03-02T03:00:00Z", "2026-05-01T00:00:00Z");
    assert!(home.sent().is_empty() && home.tasks().is_empty());
}

#[test]
fn a_visit_booked_long_ago_does_not_swallow_the_next_finding() {
    let mut home = Home::new("booked_long_ago", &ana());
    let id = home.find("2026-03-02T02:00:00Z");
    let known = home.need(id);
    home.within(|tx, _| need::book(tx, known, now_at("2026-03-02T10:00:00Z")));
    assert_eq!(home.find("2026-03-16T02:00:00Z"), id);
    assert!(home.tasks().is_empty(), "the visit may still be to come");
    for _ in 0..2 {
        assert_eq!(home.find("2026-04-13T02:00:00Z"), id);
    }
    let tasks = home.tasks();
    assert_eq!(tasks.len(), 1);
    assert!(tasks[0].reason.contains("did it take place?"), "{}", tasks[0].reason);
    assert_eq!(home.need(id).state, NeedState::Booked);
    assert!(home.sent().is_empty());
}

#[test]
fn what_the_cap_puts_off_leaves_at_a_good_hour_and_not_at_midnight() {
    // Without quiet hours, and two prompts were sent today already.
    let mut home = Home::new("cap_good_hour", &Patient { quiet_min: None, ..ana() });
    let id = home.find("2026-03-02T09:00:00Z");
    home.within(|tx, ctx| tick(tx, ctx, now_at("2026-03-02T09:00:00Z")));
    let sent = home.sent().remove(0);
    home.within(|tx, _| {
        let more = Prompt { id: id_of(&["another"]), need: None, attempt: 9, ..sent.clone() };
        prompt::add(tx, &more)?;
        let mut again = needs::get(tx, id)?.unwrap();
        again.next = Some(now_at("2026-03-02T10:00:00Z").wall);
        needs::put(tx, &again)
    });
    home.live("2026-03-02T10:00:00Z", "2026-03-03T12:00:00Z");
    let last = home.sent().pop().unwrap();
    assert_eq!((last.attempt, at(&last).as_str()), (2, "2026-03-03T08:00:00.000Z"));
}

#[test]
fn what_is_taken_back_after_its_consumers_confirmed_it_is_told_again_by_its_id() {
    let mut home = Home::new("taken_back_late", &ana());
    let id = home.find("2026-03-02T09:00:00Z");
    home.within(|tx, ctx| tick(tx, ctx, now_at("2026-03-02T09:00:00Z")));
    let sent = home.sent().remove(0);
    home.within(|tx, _| {
        let form = crate::store::outbox_page::Form::Message;
        let taken = crate::store::outbox_page::Sent { lane: Lane::Alerts, seq: 1, form };
        outbox::acknowledge(tx, &[taken], now_at("2026-03-02T09:00:01Z").wall)?;
        outbox::forget(tx, &[], now_at("2026-03-02T09:01:00Z").wall)
    });
    let known = home.need(id);
    home.within(|tx, _| need::book(tx, known, now_at("2026-03-02T10:00:00Z")));
    let fetch = crate::store::outbox_page::Fetch {
        lane: Lane::Alerts,
        after: 0,
        limit: 10,
        replay_to: None,
    };
    let page = home.within(|tx, _| outbox::page(tx, &fetch));
    let told: Vec<_> = page.rows.iter().map(|row| (row.seq, row.id, row.kind.as_str())).collect();
    assert_eq!(told, [(2, sent.id, "tombstone")]);
}

#[test]
fn unknown_consent_is_one_call_task_and_no_prompt() {
    let patient = Patient { prompts: None, ..ana() };
    let mut home = Home::new("unknown_consent", &patient);
    home.find("2026-03-02T02:00:00Z");
    home.live("2026-03-02T02:00:00Z", "2026-05-01T00:00:00Z");
    assert!(home.sent().is_empty());
    let tasks = home.tasks();
    assert_eq!(tasks.len(), 1);
    assert!(tasks[0].reason.contains("it is not known whether the patient agrees"));
}

#[test]
fn a_restart_with_the_same_due_work_makes_no_twin() {
    let mut home = Home::new("twin", &ana());
    home.find("2026-03-02T09:00:00Z");
    for _ in 0..3 {
        home.within(|tx, ctx| tick(tx, ctx, now_at("2026-03-02T09:00:00Z")));
    }
    assert_eq!(home.sent().len(), 1);
    let numbered: Vec<_> = home.sent().iter().map(|p| p.lane_seq).collect();
    assert_eq!(numbered, [Some(1)]);
}

#[test]
fn before_the_clock_is_trusted_nothing_happens_and_nobody_spins() {
    let mut home = Home::new("untrusted", &ana());
    home.find("2026-03-02T09:00:00Z");
    let now = Now { trusted: false, ..now_at("2026-03-02T09:00:00Z") };
    let next = home.within(|tx, ctx| tick(tx, ctx, now));
    assert_eq!(next, Some(now.wall.plus_seconds(60)));
    assert!(home.sent().is_empty());
}

mod notices {
    use hearth_shared::assess::alerts::{
        Level, NoticeKind, Notification, Recipient, RuleId, Source,
    };

    use super::*;
    use crate::outreach::notice::notice;

    fn word(rule: RuleId, level: Level, kind: NoticeKind, at: Now) -> Notification {
        Notification {
            t: u32::try_from(at.wall.seconds()).unwrap(),
            to: Recipient::Patient,
            rule: Source::Rule(rule),
            level,
            kind,
            step: None,
            late: false,
            silent: false,
            deferred_until: None,
        }
    }

    const NOON: &str = "2026-03-02T12:00:00Z";
    const NIGHT: &str = "2026-03-02T23:00:00Z";

    fn tell(home: &mut Home, word: &Notification, at: &str) {
        home.within(|tx, ctx| notice(tx, ctx, "p1", word, None, now_at(at)));
    }

    #[test]
    fn a_critical_alert_leaves_at_once_in_the_night_and_only_once() {
        let mut home = Home::new("notice_critical", &ana());
        let alert = word(RuleId::G1, Level::Critical, NoticeKind::Alert, now_at(NIGHT));
        tell(&mut home, &alert, NIGHT);
        tell(&mut home, &alert, NIGHT);
        let sent = home.sent();
        assert_eq!(sent.len(), 1);
        assert!(sent[0].text.starts_with("Su glucosa está muy baja."), "{}", sent[0].text);
        assert_eq!(sent[0].level.as_deref(), Some("C"));
    }

    #[test]
    fn a_critical_alert_leaves_without_a_known_zone_and_goes_to_a_nurse_without_a_language() {
        let night = "2026-03-02T02:00:00Z";
        let word = |kind| word(RuleId::G1, Level::Critical, kind, now_at(night));
        let mut home = Home::new("no_zone", &Patient { zone: None, ..ana() });
        tell(&mut home, &word(NoticeKind::Alert), night);
        assert_eq!(home.sent().len(), 1);

        let mut home = Home::new("no_language_critical", &Patient { language: None, ..ana() });
        tell(&mut home, &word(NoticeKind::Alert), night);
        tell(&mut home, &word(NoticeKind::AllClear), night);
        assert!(home.sent().is_empty());
        let tasks = home.tasks();
        let critical: Vec<_> = tasks.iter().filter(|task| task.level == "C").collect();
        assert_eq!(critical.len(), 1, "{tasks:?}");
        let why = "could not be given to the patient: the patient's language is not known.";
        assert!(critical[0].reason.contains(why), "{}", critical[0].reason);

        // Before the gateway knows the time nothing personal is sent: a nurse is told at once.
        let mut home = Home::new("no_clock_critical", &ana());
        let now = Now { trusted: false, ..now_at(night) };
        home.within(|tx, ctx| notice(tx, ctx, "p1", &word(NoticeKind::Alert), None, now));
        assert!(home.sent().is_empty());
        let tasks = home.tasks();
        assert_eq!((tasks.len(), tasks[0].level.as_str()), (1, "C"));
        assert!(tasks[0].reason.contains("the gateway's clock is not set"));
    }

    #[test]
    fn notices_to_staff_and_hub_are_not_ours() {
        let mut home = Home::new("notice_staff", &ana());
        let mut alert = word(RuleId::G1, Level::Critical, NoticeKind::Alert, now_at(NOON));
        alert.to = Recipient::Staff;
        tell(&mut home, &alert, NOON);
        assert!(home.within(|tx, _| prompt::list(tx, None)).is_empty());
    }

    #[test]
    fn an_urgent_alert_at_night_is_shown_silently() {
        let mut home = Home::new("notice_silent", &ana());
        let mut alert = word(RuleId::P1, Level::Urgent, NoticeKind::Alert, now_at(NIGHT));
        alert.silent = true;
        tell(&mut home, &alert, NIGHT);
        assert!(home.sent()[0].silent);
    }

    #[test]
    fn a_request_that_waited_for_the_morning_is_void_when_the_rule_no_longer_waits() {
        let mut home = Home::new("notice_void", &ana());
        let mut ask = word(RuleId::W2, Level::Urgent, NoticeKind::MeasureAgain, now_at(NIGHT));
        let morning = local::parse_moment("2026-03-03T06:00:00Z").unwrap();
        ask.deferred_until = Some(morning.seconds().unsigned_abs());
        tell(&mut home, &ask, NIGHT);
        assert!(home.sent().is_empty());
        home.live(NIGHT, "2026-03-04T00:00:00Z");
        assert!(home.sent().is_empty());
        let all = home.within(|tx, _| prompt::list(tx, None));
        assert_eq!(all[0].why.as_deref(), Some("superseded"));
    }

    #[test]
    fn after_quiet_hours_notices_of_one_family_are_merged() {
        let mut home = Home::new("notice_merged", &ana());
        for (rule, at) in [(RuleId::W1, NIGHT), (RuleId::W2, "2026-03-02T23:30:00Z")] {
            let mut ask = word(rule, Level::Urgent, NoticeKind::MeasureAgain, now_at(at));
            ask.level = Level::Advisory;
            let morning = local::parse_moment("2026-03-03T06:00:00Z").unwrap();
            ask.deferred_until = Some(morning.seconds().unsigned_abs());
            tell(&mut home, &ask, at);
        }
        home.live(NIGHT, "2026-03-03T07:00:00Z");
        let sent = home.sent();
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].rule.as_deref(), Some("W2"), "the later one of two equals");
        let all = home.within(|tx, _| prompt::list(tx, None));
        assert!(all.iter().any(|prompt| prompt.why.as_deref() == Some("merged")));
    }

    #[test]
    fn without_a_language_staff_are_asked_once() {
        let patient = Patient { language: None, ..ana() };
        let mut home = Home::new("notice_language", &patient);
        for at in [NOON, "2026-03-02T12:10:00Z"] {
            let alert = word(RuleId::G1, Level::Critical, NoticeKind::Alert, now_at(at));
            tell(&mut home, &alert, at);
        }
        assert!(home.sent().is_empty());
        let mut tasks = home.tasks();
        tasks.sort_by_key(|task| task.kind.clone());
        // One call, now, and one question; the repeat adds nothing.
        let seen: Vec<_> = tasks.iter().map(|t| (t.kind.as_str(), t.level.as_str())).collect();
        assert_eq!(seen, [("call", "C"), ("data", "A")]);
        assert!(tasks[1].reason.contains("language is not known"), "{}", tasks[1].reason);
    }

    #[test]
    fn a_pressed_alert_is_the_patients_acknowledgement_and_only_the_first_press_counts() {
        let mut home = Home::new("notice_pressed", &ana());
        let alert = word(RuleId::G1, Level::Critical, NoticeKind::Alert, now_at(NOON));
        tell(&mut home, &alert, NOON);
        let sent = home.sent().remove(0);
        let press = |home: &mut Home| {
            let prompt = home.within(|tx, _| prompt::get(tx, sent.id)).unwrap();
            home.within(|tx, ctx| answer::take(tx, ctx, prompt, "done", now_at(NOON)))
        };
        assert_eq!(press(&mut home), answer::Answered::AlertSeen);
        assert_eq!(press(&mut home), answer::Answered::TooLate);
    }
}

mod lives {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Event {
        /// The clock moves, forth or back, and the gateway ticks; or it dies before the commit.
        Tick { seconds: i64, crash: bool, trusted: bool },
        /// A plan finds a need (again).
        Find { kind: bool },
        /// A nudge wants to leave for this day.
        Nudge { day: u8 },
        /// The patient answers the newest prompt.
        Answer(usize),
        /// A nurse books.
        Book,
    }

    fn events() -> impl Strategy<Value = Event> {
        let seconds = prop_oneof![
            6 => 0i64..100_000,
            1 => -500_000i64..500_000,
        ];
        prop_oneof![
            8 => (seconds, proptest::bool::weighted(0.2), proptest::bool::weighted(0.9))
                .prop_map(|(seconds, crash, trusted)| Event::Tick { seconds, crash, trusted }),
            3 => any::<bool>().prop_map(|kind| Event::Find { kind }),
            3 => (0u8..30).prop_map(|day| Event::Nudge { day }),
            1 => (0usize..4).prop_map(Event::Answer),
            1 => Just(Event::Book),
        ]
    }

    fn happen(home: &mut Home, now: Now, event: &Event) {
        let commit = !matches!(event, Event::Tick { crash: true, .. });
        let store = &mut home.store;
        let done = with_context(|ctx| {
            store.transaction(|tx| {
                match event {
                    Event::Tick { .. } => drop(tick(tx, ctx, now)?),
                    Event::Find { kind } => {
                        let finding = Finding {
                            plan: "plan1",
                            patient: "p1",
                            kind: if *kind { "follow_up_visit" } else { "measure_more" },
                            reason: "Because.",
                            short: &short(),
                            day: now.wall.seconds() / 86_400,
                        };
                        need::find(tx, ctx, &finding, now)?;
                    }
                    Event::Nudge { day } => {
                        let plan = crate::store::plan::get(tx, "plan1")?.unwrap();
                        nudge(tx, ctx, &plan, ("nudge", 2), i64::from(*day), now)?;
                    }
                    Event::Answer(which) => {
                        let word = ["done", "later", "help", "stop"][*which];
                        if let Some(newest) = prompt::list(tx, Some("p1"))?.into_iter().next() {
                            answer::take(tx, ctx, newest, word, now)?;
                        }
                    }
                    Event::Book => {
                        let newest = needs::newest(tx, "plan1", "follow_up_visit")?;
                        if let Some(need) = newest.filter(|n| n.state != NeedState::Closed) {
                            need::book(tx, need, now)?;
                        }
                    }
                }
                if commit { Ok(()) } else { Err(StoreError::OldSqlite { found: "power cut" }) }
            })
        });
        assert_eq!(done.is_ok(), commit);
    }

    fn check(home: &mut Home, stopped: Option<usize>) -> Result<(), TestCaseError> {
        let zone = local::zone("Europe/Madrid").unwrap();
        let sent = home.sent();
        for one in &sent {
            let day = local::day(one.sent.unwrap(), &zone);
            let minute = local::minute(one.sent.unwrap(), &zone);
            prop_assert!((420..1320).contains(&minute), "sent in quiet hours");
            let same_day =
                sent.iter().filter(|p| local::day(p.sent.unwrap(), &zone) == day).count();
            prop_assert!(same_day <= 2, "the daily cap");
            prop_assert!(!one.text.is_empty() && one.language == "es");
        }
        let mut numbers: Vec<_> = sent.iter().map(|p| p.lane_seq).collect();
        numbers.sort_unstable();
        numbers.dedup();
        prop_assert_eq!(numbers.len(), sent.len(), "a number was given twice");
        if let Some(before) = stopped {
            prop_assert_eq!(sent.len(), before, "sent after STOP");
        }
        for need in home.within(|tx, _| needs::list(tx, None)) {
            let prompts = sent.iter().filter(|p| p.need == Some(need.id)).count();
            prop_assert!(prompts <= 2 && need.attempts <= need.attempts_max);
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn whatever_happens_to_clock_and_power_nobody_is_told_too_much(
            events in proptest::collection::vec(events(), 1..60),
        ) {
            let mut home = Home::new(&format!("lives_{}", fresh()), &ana());
            let mut now = now_at("2026-03-02T10:00:00Z");
            let mut stopped = None;
            for event in &events {
                if let Event::Tick { seconds, trusted, .. } = event {
                    now.wall = now.wall.plus_seconds(*seconds);
                    now.trusted = *trusted;
                }
                happen(&mut home, now, event);
                let patient = home.within(|tx, _| patient::get(tx, "p1")).unwrap();
                check(&mut home, stopped)?;
                if patient.prompts == Some(false) && stopped.is_none() {
                    stopped = Some(home.sent().len());
                }
            }
        }
    }

    /// Each case has a database of its own.
    fn fresh() -> usize {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        COUNT.fetch_add(1, Ordering::Relaxed)
    }
}
