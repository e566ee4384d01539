//! Commands about devices and whose they are.

use hearth_shared::time::UnixMillis;
use jiff::tz::TimeZone;
use serde_json::json;

use super::{
    Doing, Failure, Said, check_id, id_result, invalid, moment_or_day, one_of, patient, refuse,
    said, unknown,
};
use crate::control::command::{DeviceAssign, DeviceSettings};
use crate::outreach::zone_of;
use crate::store::Tx;
use crate::store::device::{self, Device};

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
    device::put(doing.tx, &device)?;
    let mut said = said(format!("The device {} is listed.", device.id), id_result(&device.id));
    said.remarks.push("Nobody owns it yet: its readings wait to be claimed.".to_owned());
    Ok(said)
}

pub(super) fn edit(doing: &Doing<'_>, settings: &DeviceSettings) -> Result<Said, Failure> {
    let mut device = in_use(doing.tx, &settings.id)?;
    change(doing.tx, &mut device, settings)?;
    device::put(doing.tx, &device)?;
    let sentence = format!("The settings of the device {} are changed.", device.id);
    Ok(said(sentence, id_result(&device.id)))
}

fn change(tx: &Tx<'_>, device: &mut Device, settings: &DeviceSettings) -> Result<(), Failure> {
    fields(device, settings)?;
    if let Some(address) = &device.address
        && let Some(other) = device::by_address(tx, address)?.filter(|d| d.id != device.id)
    {
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
        device.kind = one_of("The kind of device", kind, &KINDS)?.to_owned();
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
