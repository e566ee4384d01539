//! Commands about devices and whose they are.

use hearth_shared::time::UnixMillis;
use jiff::tz::TimeZone;
use serde_json::json;

use super::{
    Doing, Failure, Said, check_id, id_result, invalid, moment_or_day, one_of, patient, refuse,
    said, unknown,
};
use crate::config::looks_like_a_name;
use crate::control::command::{DeviceAssign, DeviceSettings};
use crate::outreach::zone_of;
use crate::store::Tx;
use crate::store::device::{self, Device};
use crate::store::radio;

/// Kinds of devices the gateway can decode.
pub(super) const KINDS: [&str; 8] = [
    "glucose_meter",
    "continuous_glucose_monitor",
    "blood_pressure_cuff",
    "weight_scale",
    "body_composition_scale",
    "pulse_oximeter",
    "thermometer",
    "heart_rate_sensor",
];

/// A device that is silent for longer than this is never expected to speak.
const INTERVAL_S_MAX: u32 = 366 * 86_400;

/// Letters of what people call a device.
const ALIAS_MAX: usize = 40;

fn known(tx: &Tx<'_>, id: &str) -> Result<Device, Failure> {
    if let Some(device) = device::get(tx, id)? {
        return Ok(device);
    }
    let all = device::all(tx)?;
    Err(unknown("device", id, all.iter().map(|d| d.id.as_str())))
}

fn in_use(tx: &Tx<'_>, id: &str) -> Result<Device, Failure> {
    let device = known(tx, id)?;
    match device.retired {
        None => Ok(device),
        Some(_) => Err(refuse("over", format!("The device {id} is no longer used."))),
    }
}

pub(super) fn add(doing: &Doing<'_>, settings: &DeviceSettings) -> Result<Said, Failure> {
    check_id("device", &settings.id)?;
    if device::get(doing.tx, &settings.id)?.is_some() {
        return Err(refuse("exists", format!("The device {} is listed already.", settings.id)));
    }
    let Some(kind) = &settings.kind else {
        return Err(invalid(format!("A device needs a kind: {}.", KINDS.join(", "))));
    };
    let mut device = Device::new(settings.id.clone(), kind.clone(), doing.now.wall);
    change(doing.tx, &mut device, settings)?;
    put(doing.tx, &device, settings)?;
    let mut said = said(format!("The device {} is listed.", device.id), id_result(&device.id));
    said.remarks.push("Nobody owns it yet: its readings wait to be claimed.".to_owned());
    Ok(said)
}

pub(super) fn edit(doing: &Doing<'_>, settings: &DeviceSettings) -> Result<Said, Failure> {
    let mut device = in_use(doing.tx, &settings.id)?;
    change(doing.tx, &mut device, settings)?;
    put(doing.tx, &device, settings)?;
    let sentence = format!("The settings of the device {} are changed.", device.id);
    Ok(said(sentence, id_result(&device.id)))
}

fn put(tx: &Tx<'_>, device: &Device, settings: &DeviceSettings) -> Result<(), Failure> {
    device::put(tx, device)?;
    if let Some(profile) = &settings.profile {
        radio::set_profile(tx, &device.id, profile)?;
    }
    Ok(())
}

fn change(tx: &Tx<'_>, device: &mut Device, settings: &DeviceSettings) -> Result<(), Failure> {
    fields(device, settings)?;
    if let Some(alias) = &device.alias {
        nobodys_name(tx, alias)?;
    }
    if let Some(address) = &device.address
        && let Some(mut other) = device::by_address(tx, address)?.filter(|d| d.id != device.id)
    {
        if other.retired.is_some() {
            // The same device comes back under another id; the history stays with the old one.
            other.address = None;
            device::put(tx, &other)?;
            return Ok(());
        }
        let sentence = format!("The address {address} belongs to the device {}.", other.id);
        return Err(refuse("exists", sentence));
    }
    Ok(())
}

/// Checks settings by themselves, without the store.
pub(super) fn check(settings: &DeviceSettings) -> Result<(), Failure> {
    check_id("device", &settings.id)?;
    let mut device = Device::new(settings.id.clone(), "", UnixMillis::from_millis(0));
    fields(&mut device, settings)
}

fn fields(device: &mut Device, settings: &DeviceSettings) -> Result<(), Failure> {
    if let Some(kind) = &settings.kind {
        // The word of the model files for the same thing.
        let kind = if kind == "glucose_sensor" { "continuous_glucose_monitor" } else { kind };
        device.kind = one_of("The kind of device", kind, &KINDS)?.to_owned();
    }
    if let Some(alias) = &settings.alias {
        device.alias = check_alias(alias)?;
    }
    if let Some(profile) = &settings.profile {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if profile.is_empty() || profile.len() > 64 || !profile.bytes().all(plain) {
            return Err(invalid(format!(
                "The id of a model profile has small letters, digits and `-`; {profile:?} does not fit."
            )));
        }
    }
    if let Some(model) = &settings.model {
        device.model = Some(model.clone());
    }
    if let Some(address) = &settings.address {
        device.address = Some(normal_address(address)?);
    }
    if let Some(zone) = &settings.zone {
        patient::check_zone(zone)?;
        device.zone = Some(zone.clone());
    }
    if let Some(interval_s) = settings.expected_interval_s {
        if interval_s == 0 || interval_s > INTERVAL_S_MAX {
            let sentence = "The longest ordinary silence is in seconds, from 1 to a year.";
            return Err(invalid(sentence));
        }
        device.expected_interval_s = Some(interval_s);
    }
    Ok(())
}

/// What people may call a device; `None`: nothing.
fn check_alias(alias: &str) -> Result<Option<String>, Failure> {
    let alias = alias.trim();
    if alias.chars().count() > ALIAS_MAX || alias.chars().any(char::is_control) {
        return Err(invalid(format!(
            "What a device is called has {ALIAS_MAX} letters at most, for example: blue cuff."
        )));
    }
    if looks_like_a_name(alias) {
        return Err(refuse(
            "name_as_alias",
            format!(
                "{alias:?} looks like a person's name; say what it is, for example: blue cuff."
            ),
        ));
    }
    Ok((!alias.is_empty()).then(|| alias.to_owned()))
}

/// A device is not called like somebody who is listed here.
fn nobodys_name(tx: &Tx<'_>, alias: &str) -> Result<(), Failure> {
    let words = |text: &str| -> Vec<String> {
        let letters = |c: char| !c.is_alphanumeric();
        text.split(letters).filter(|w| w.chars().count() > 2).map(str::to_lowercase).collect()
    };
    let called = words(alias);
    for patient in crate::store::patient::list(tx)? {
        let name = crate::store::patient::person(tx, &patient.id)?.name.unwrap_or_default();
        if words(&name).iter().any(|word| called.contains(word)) {
            let sentence =
                "That is a patient's name; say what the device is, for example: blue cuff.";
            return Err(refuse("name_as_alias", sentence));
        }
    }
    Ok(())
}

/// A Bluetooth address in its usual form: six pairs of upper-case hexadecimal digits with colons.
pub(super) fn normal_address(text: &str) -> Result<String, Failure> {
    let address = text.replace('-', ":").to_ascii_uppercase();
    let pairs: Vec<&str> = address.split(':').collect();
    let fits = pairs.len() == 6
        && pairs.iter().all(|pair| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit()));
    if fits {
        Ok(address)
    } else {
        Err(invalid(format!(
            "{text:?} is no Bluetooth address; it is written like C4:2F:90:12:34:56."
        )))
    }
}

pub(super) fn assign(doing: &Doing<'_>, assign: &DeviceAssign) -> Result<Said, Failure> {
    let device = in_use(doing.tx, &assign.id)?;
    let owner = patient::enrolled(doing.tx, &assign.patient)?;
    let from = match &assign.from {
        Some(from) => {
            let zone = zone_of(&owner).unwrap_or(TimeZone::UTC);
            moment_or_day("from", from, &zone)?
        }
        None => doing.now.wall,
    };
    let current = device::owners(doing.tx, &device.id)?.into_iter().any(|known| {
        known.slot == assign.slot
            && known.patient == owner.id
            && known.to.is_none()
            && known.from <= from
    });
    let whose = match assign.slot {
        Some(slot) => format!("Slot {slot} of the device {}", device.id),
        None => format!("The device {}", device.id),
    };
    let result = json!({"id": device.id, "patient": owner.id, "slot": assign.slot});
    if current {
        return Ok(said(format!("{whose} is the patient {}'s already.", owner.id), result));
    }
    device::assign(doing.tx, &device.id, assign.slot, &owner.id, from)?;
    Ok(said(format!("{whose} is the patient {}'s.", owner.id), result))
}

pub(super) fn close(doing: &Doing<'_>, id: &str) -> Result<Said, Failure> {
    let mut device = in_use(doing.tx, id)?;
    device.retired = Some(UnixMillis::from_millis(doing.now.wall.millis()));
    device::put(doing.tx, &device)?;
    Ok(said(format!("The device {id} is no longer used; its history stays."), id_result(id)))
}
