//! How regularly the patients of plans measure, for the lists that a nurse reads.

use hearth_shared::time::UnixMillis;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::assess::days;
use crate::outreach::local;
use crate::programme::Library;
use crate::store::{Queries, StoreError, patient, plan};

/// Adds to each row of a plan what of it was measured: `measured` for people, and the numbers.
/// `-`: no planned day has ended yet, or the programme is not known here.
///
/// # Errors
/// What the store answered.
pub(super) fn add(
    q: &impl Queries,
    programmes: &Library,
    rows: &mut [Value],
    now: UnixMillis,
) -> Result<(), StoreError> {
    for row in rows {
        let Some(fields) = row.as_object_mut() else { continue };
        let Some(plan) = fields.get("id").and_then(Value::as_str) else { continue };
        let Some(plan) = plan::get(q, plan)? else { continue };
        let owner = patient::get(q, &plan.patient)?;
        let zone = owner.and_then(|p| p.zone).and_then(|zone| local::zone(&zone));
        let today = local::day(now, &zone.unwrap_or(TimeZone::UTC));
        let Some(seen) = days::adherence(q, programmes, &plan, today)? else { continue };
        let ((in_14, of_14), (in_30, of_30)) = (seen.fortnight, seen.month);
        if of_30 > 0 {
            let mut text = format!("{in_14} of {of_14} days, {in_30} of {of_30}");
            if seen.needs_attention {
                text.push_str(" (seldom)");
            }
            fields.insert("measured".to_owned(), json!(text));
        }
        let numbers = json!({
            "last_14_days": {"measured": in_14, "planned": of_14},
            "last_30_days": {"measured": in_30, "planned": of_30},
            "missed_in_a_row": seen.run,
            "needs_attention": seen.needs_attention,
        });
        fields.insert("adherence".to_owned(), numbers);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::sync::Arc;

    use hearth_shared::time::UnixMillis;

    use super::*;
    use crate::clock::{BootId, Now};
    use crate::control::Command;
    use crate::control::execute::Origin;
    use crate::control::query::{List, Listing};
    use crate::intake::{Arrival, LineFormat, LinkSecurity, Payload};
    use crate::path::{Path, PathSettings};
    use crate::store::{Store, listing};

    const COMMANDS: [&str; 4] = [
        r#"{"id":"1","verb":"patient_add","with":{"id":"p1","zone":"Europe/Madrid","language":"en","monitoring":true,"prompts":true}}"#,
        r#"{"id":"2","verb":"device_add","with":{"id":"d1","kind":"glucose_meter","zone":"Europe/Madrid"}}"#,
        r#"{"id":"3","verb":"device_assign","with":{"id":"d1","patient":"p1"}}"#,
        r#"{"id":"4","verb":"plan_assign","with":{"id":"plan1","patient":"p1","programme":"fasting-glucose-6w"}}"#,
    ];

    fn now(text: &str) -> Now {
        let wall = local::parse_moment(text).unwrap();
        Now { wall, monotonic_ms: 0, boot: BootId([0; 16]), trusted: true }
    }

    fn measured(day: &str) -> Arrival {
        Arrival {
            device: "d1".to_owned(),
            payload: Payload::Line {
                format: LineFormat::Hearth,
                octets: format!("d1,glucose,{day}T07:00:00+01:00,132,,mg/dL,fasting").into_bytes(),
            },
            received: now(&format!("{day}T06:00:10Z")),
            connection: 1,
            position: 0,
            clock_offset_s: None,
            link: LinkSecurity::default(),
        }
    }

    #[test]
    fn a_nurse_sees_how_many_of_the_planned_days_were_measured() {
        let store = Store::open_shared_memory("adherence_listed").unwrap();
        let library = Arc::new(Library::built_in());
        let settings = PathSettings::new("g1", TimeZone::UTC).with_programmes(library.clone());
        let mut path = Path::open(store, settings).unwrap();
        let began = now("2026-02-01T05:00:00Z");
        for command in COMMANDS {
            let command = Command::parse(command.as_bytes()).unwrap();
            let done = path.execute(&command, Origin::Socket, began).unwrap();
            assert!(done.done, "{done:?}");
        }
        let list = List { what: Listing::Plans, patient: None, all: false };
        let rows = |path: &mut Path, at: UnixMillis| {
            path.store()
                .transaction(|tx| {
                    let mut rows = listing::list(tx, &list)?;
                    add(tx, &library, &mut rows, at)?;
                    Ok::<_, StoreError>(rows)
                })
                .unwrap()
        };
        path.tick(began).unwrap();
        assert_eq!(rows(&mut path, began.wall)[0].get("measured"), None);
        for day in 1..=20 {
            let date = format!("2026-02-{day:02}");
            if day % 2 == 0 {
                path.take(&[measured(&date)]).unwrap();
            }
            path.tick(now(&format!("{date}T20:00:00Z"))).unwrap();
        }
        let at = now("2026-02-21T09:00:00Z");
        path.tick(at).unwrap();
        let rows = rows(&mut path, at.wall);
        assert_eq!(rows[0]["measured"], "7 of 14 days, 10 of 20");
        assert_eq!(rows[0]["adherence"]["last_14_days"], json!({"measured": 7, "planned": 14}));
        assert_eq!(rows[0]["adherence"]["missed_in_a_row"], 0);
        assert_eq!(rows[0]["adherence"]["needs_attention"], false);
    }
}
