//! What a profile must hold beyond its types; every problem is reported, with its line.

use super::library::at;
use super::{Access, Bonding, Gatt, Passkey, Profile, SetBy, SetWhen};
use crate::checked_toml::{Document, Problem, nearest};
use crate::radio::drivers;

/// What a device can be.
pub(super) const KINDS: [&str; 7] = [
    "glucose_meter",
    "blood_pressure_cuff",
    "weight_scale",
    "pulse_oximeter",
    "thermometer",
    "glucose_sensor",
    "heart_rate_sensor",
];

/// Longest sentence for a patient: three lines of a hub's screen.
const HINT_MAX: usize = 300;
/// A pause or silence of more than ten minutes is a mistake in the unit.
const LONGEST_MS: u32 = 600_000;

/// All problems of meaning, by line.
pub(super) fn problems(profile: &Profile, id: &str, document: &Document) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut add = |key: &str, message: String, help: &str| {
        found.push(at(document, key, message, help));
    };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if profile.id.is_empty() || !profile.id.chars().all(plain) {
        add("id", "an id has lower case letters, digits and hyphens only".into(), "");
    } else if profile.id != id {
        let help = format!("rename the file to {}.toml, or the profile to {id}", profile.id);
        add("id", format!("the file is called {id}.toml, not {}.toml", profile.id), &help);
    }
    if !KINDS.contains(&profile.kind.as_str()) {
        let known = KINDS.join(", ");
        let help = match nearest(&profile.kind, KINDS.into_iter()) {
            Some(near) => format!("did you mean `{near}`? A kind is one of {known}"),
            None => format!("a kind is one of {known}"),
        };
        add("kind", format!("no device is a `{}`", profile.kind), &help);
    }
    recognition(profile, &mut add);
    manners(profile, &mut add);
    for (index, quirk) in profile.quirks.iter().enumerate() {
        if hearth_shared::gatt::quirk::Quirk::named(quirk).is_none() {
            let known = hearth_shared::gatt::quirk::Quirk::ALL.map(|q| q.name());
            let help = match nearest(quirk, known.into_iter()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known are {}", known.join(", ")),
            };
            add(&format!("quirks.{index}"), format!("no decoder knows the quirk `{quirk}`"), &help);
        }
    }
    if profile.gatt == Gatt::Standard && !profile.quirks.is_empty() {
        add("gatt", "a standard device has no quirks".into(), "write `gatt = \"quirks\"`");
    }
    let reason = profile.unsupported.as_deref().unwrap_or_default();
    if profile.gatt == Gatt::Private && !drivers::has_own(profile) && reason.trim().is_empty() {
        let help = "say why in `unsupported`, as one sentence; or give it a driver";
        add("gatt", "no driver speaks this device's own protocol".into(), help);
    }
    if let Some(hint) = &profile.pairing_hint
        && (hint.trim().is_empty() || hint.chars().count() > HINT_MAX)
    {
        let what = format!("a hint has 1 to {HINT_MAX} characters, this one {}", hint.len());
        add("pairing_hint", what, "one sentence for the person who holds the device");
    }
    found.sort_by_key(|problem| (problem.line, problem.column));
    found
}

fn recognition(profile: &Profile, add: &mut impl FnMut(&str, String, &str)) {
    let advertises = &profile.advertises;
    if advertises.names.is_empty()
        && advertises.services.is_empty()
        && advertises.company.is_none()
        && advertises.information.is_empty()
    {
        let help = "give names, services, a company id or the Device Information service's texts";
        add("advertises", "nothing says how this device is recognised".into(), help);
    }
    for (index, service) in advertises.services.iter().enumerate() {
        let hex = service.len() == 4 && service.bytes().all(|b| b.is_ascii_hexdigit());
        if !hex {
            let help = "four hex digits, for example \"1808\"";
            add(
                &format!("advertises.services.{index}"),
                format!("`{service}` is no 16-bit UUID"),
                help,
            );
        }
    }
    for (index, name) in advertises.names.iter().enumerate() {
        let inner = name.strip_suffix('*').unwrap_or(name);
        if inner.is_empty() || inner.contains('*') {
            let what = format!("`{name}` is no pattern");
            let help = "at least one letter; a `*` only at the end";
            add(&format!("advertises.names.{index}"), what, help);
        }
    }
    for (index, pair) in advertises.information.iter().enumerate() {
        if !pair
            .split_once('/')
            .is_some_and(|(maker, model)| !maker.is_empty() && !model.is_empty())
        {
            let what = format!("`{pair}` is no maker and model");
            let help = "maker/model, for example \"Roche/9*\"";
            add(&format!("advertises.information.{index}"), what, help);
        }
    }
}

fn manners(profile: &Profile, add: &mut impl FnMut(&str, String, &str)) {
    let bond = &profile.bond;
    if bond.policy == Bonding::None && bond.passkey != Passkey::None {
        add("bond.passkey", "a device that is never paired has no passkey".into(), "leave it out");
    }
    if profile.clock.set_by == SetBy::None && profile.clock.when != SetWhen::OnDrift {
        let help = "leave `when` out, or say by which characteristic it is set";
        add("clock.when", "a clock that is never set has no time to set it at".into(), help);
    }
    if profile.users.consent && profile.users.slots == 0 {
        let help = "say how many users it keeps: `slots`";
        add("users.consent", "nobody can consent on a device without users".into(), help);
    }
    if profile.records.access == Access::Indications && profile.records.pause_ms > 0 {
        let help = "leave `pause_ms` out: nothing is asked for";
        add("records.pause_ms", "records that come by themselves have no pause".into(), help);
    }
    let session = &profile.session;
    for (key, value) in [
        ("session.settle_ms", session.settle_ms),
        ("session.pause_ms", session.pause_ms),
        ("session.idle_ms", session.idle_ms),
        ("records.pause_ms", profile.records.pause_ms),
    ] {
        if value > LONGEST_MS {
            let what = format!("{value} ms is more than ten minutes");
            add(key, what, "the number is in milliseconds");
        }
    }
}
