#![allow(clippy::unwrap_used, clippy::panic)]
use std::collections::BTreeSet;

use super::library::BUILT_IN;
use super::*;
use crate::radio::air::{Address, Advert, sig};
use crate::radio::drivers;

fn advert(name: Option<&str>, services: &[u16]) -> Advert {
    let mut advert = Advert::of(Address([0xC0, 0, 0, 0, 0, 1]));
    advert.name = name.map(str::to_owned);
    advert.services = services.iter().map(|uuid| sig(*uuid)).collect();
    advert
}

#[test]
fn every_profile_is_sound_and_none_is_left_out() {
    for (id, text) in BUILT_IN {
        if let Err(problems) = Profile::parse(&format!("{id}.toml"), id, text) {
            panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
        }
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/models");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.extension().is_some_and(|end| end == "toml"));
    let files = files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    let files: BTreeSet<String> = files.collect();
    let known: BTreeSet<String> = BUILT_IN.iter().map(|(id, _)| (*id).to_owned()).collect();
    assert_eq!(files, known);
    assert_eq!(Profiles::built_in().iter().count(), known.len());
}

#[test]
fn a_private_protocol_has_a_driver_or_a_reason_and_nothing_is_claimed_unseen() {
    for profile in Profiles::built_in().iter() {
        let private = profile.gatt == Gatt::Private;
        let excused = profile.unsupported.is_some();
        assert!(!private || excused != drivers::has_own(profile), "{}", profile.id);
        // A model counts as confirmed only with a public source of a real device.
        assert!(profile.confirmed.iter().all(|source| source.contains('/')), "{}", profile.id);
        let hint = profile.pairing_hint.as_deref().unwrap_or_default();
        assert!(excused || hint.ends_with('.'), "{} has no hint for a patient", profile.id);
    }
}

#[test]
fn the_most_specific_profile_is_chosen() {
    let profiles = Profiles::built_in();
    for (name, services, expected) in [
        (Some("A&D_UA-651BLE_1A2B3C"), &[0x1810][..], Some("a-and-d-ua-651ble")),
        (Some("BLESmart_0000021F0123456789AB"), &[0x1810], Some("omron-evolv")),
        (Some("BLEsmart_00000160FFEEDDCCBBAA"), &[0x1810], Some("omron-cuff")),
        (Some("BLESmart_00010112FFEEDDCCBBAA"), &[], Some("omron-sc-150")),
        (Some("meter+00000001"), &[], Some("accu-chek")),
        (Some("MIBFS"), &[0x181B], Some("xiaomi-mi-scale-v2")),
        // Without the service it is another product of that name.
        (Some("MIBFS"), &[], None),
        (Some("some meter"), &[0x1808], Some("standard-glucose")),
        (None, &[0x181D, 0x180F], Some("standard-weight")),
        (Some("a lamp"), &[0x180F], None),
        (None, &[], None),
    ] {
        let found = profiles.for_advert(&advert(name, services)).map(|p| p.id.as_str());
        assert_eq!(found, expected, "{name:?}");
    }
    let said = |maker, model| profiles.for_information(maker, model).map(|p| p.id.as_str());
    assert_eq!(said("A&D Medical", "UC-352BLE"), Some("a-and-d-uc-352ble"));
    assert_eq!(said("Roche", "925"), Some("accu-chek"));
    assert_eq!(said("OMRON HEALTHCARE", "HEM-7600T"), Some("omron-evolv"));
    assert_eq!(said("Nobody", "1"), None);
}

#[test]
fn an_omron_cuff_says_how_many_records_wait() {
    let profiles = Profiles::built_in();
    let mut heard = advert(Some("BLESmart_0000021F0123456789AB"), &[0x1810]);
    let profile = profiles.for_advert(&heard).unwrap();
    assert_eq!(profile.waiting(&heard), None, "it says nothing");
    for (data, records, clock_not_set) in [
        // Two users, the second has three records.
        (&[1, 0x01, 9, 0, 0, 4, 0, 3][..], 3, false),
        (&[1, 0x20, 9, 0, 0], 0, false),
        (&[1, 0x04, 0, 0, 0], 0, true),
    ] {
        heard.manufacturer.insert(0x020E, data.to_vec());
        assert_eq!(profile.waiting(&heard), Some(Waiting { records, clock_not_set }), "{data:?}");
    }
    assert!(!Waiting { records: 0, clock_not_set: false }.is_news());
    // Cut off, or another tag: nothing is known, so the device is asked.
    for data in [&[1, 0x01, 9, 0, 0][..], &[2, 0, 9, 0, 1], &[1], &[]] {
        heard.manufacturer.insert(0x020E, data.to_vec());
        assert_eq!(profile.waiting(&heard), None, "{data:?}");
    }
}

#[test]
fn a_folder_adds_and_replaces_and_says_everything_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let sound = BUILT_IN.iter().find(|(id, _)| *id == "accu-chek").unwrap().1;
    put("accu-chek.toml", &sound.replace("Roche\"", "Ours\""));
    put("notes.txt", "not a profile");
    assert_eq!(Profiles::load(folder.path()).unwrap().named("accu-chek").unwrap().maker, "Ours");

    put(
        "new-meter.toml",
        "id = \"new-metre\"\nmaker = \"x\"\nname = \"x\"\nkind = \"glucose_metre\"\n\
         gatt = \"private\"\nquirks = [\"fora_2038\"]\n\n[advertises]\nservices = [\"18088\"]\n\
         \n[session]\nidle_ms = 700000\n",
    );
    put("worse.toml", "id = \"worse\"\nmakr = \"x\"\n");
    let error = Profiles::load(folder.path()).unwrap_err().to_string();
    for expected in [
        "the file is called new-meter.toml, not new-metre.toml",
        "new-meter.toml:4",
        "did you mean `glucose_meter`?",
        "did you mean `fora_2037`?",
        "no driver speaks this device's own protocol",
        "`18088` is no 16-bit UUID",
        "700000 ms is more than ten minutes",
        "makr",
        "advertises",
    ] {
        assert!(error.contains(expected), "{expected} is missing in\n{error}");
    }
    let missing = Profiles::load(&folder.path().join("none")).unwrap_err();
    assert!(matches!(missing, LoadError::Read { .. }));
}
