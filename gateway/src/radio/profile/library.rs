//! The profiles this gateway knows: those compiled in, and a folder of the user's own.

use std::collections::BTreeMap;
use std::path::Path;

use hearth_shared::gatt::quirk::Quirk;

use super::{Advertises, Profile, check};
use crate::checked_toml::{Document, Problem, read};
use crate::radio::air::{Advert, short};

/// Files of `gateway/models`, in the order of their names. A test shows that none is left out.
macro_rules! models {
    ($($id:literal),* $(,)?) => {
        &[$(($id, include_str!(concat!("../../../models/", $id, ".toml")))),*]
    };
}

pub(super) const BUILT_IN: &[(&str, &str)] = models![
    "a-and-d-ua-651ble",
    "a-and-d-uc-352ble",
    "a-and-d-ut-201ble",
    "accu-chek",
    "beurer-bf720",
    "beurer-bm85",
    "caresens",
    "contour-next",
    "diamond-mini",
    "nonin-3230",
    "omron-bp7000",
    "omron-cuff",
    "omron-evolv",
    "omron-sc-150",
    "onetouch-verio",
    "renpho-es-wbe28",
    "standard-blood-pressure",
    "standard-body-composition",
    "standard-glucose",
    "standard-glucose-sensor",
    "standard-heart-rate",
    "standard-pulse-oximeter",
    "standard-thermometer",
    "standard-weight",
    "taidoc",
    "xiaomi-mi-scale",
    "xiaomi-mi-scale-v2",
];

/// Why profiles could not be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The folder or a file could not be read.
    #[error("cannot read {path}: {cause}")]
    Read {
        /// The file or folder.
        path: String,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// All problems of all files.
    #[error("{}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
    Problems(Vec<Problem>),
}

impl Profile {
    /// Reads and checks one profile; `id` is the file's name without its end.
    ///
    /// # Errors
    /// All problems: of syntax, or else of keys and types, or else of meaning.
    pub fn parse(source_name: &str, id: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let (profile, document) = read::<Self>(source_name, text)?;
        let problems = check::problems(&profile, id, &document);
        if problems.is_empty() { Ok(profile) } else { Err(problems) }
    }

    /// A generic profile of a standard service, for devices that no other one fits.
    pub fn is_standard(&self) -> bool {
        self.id.starts_with("standard-")
    }

    /// How well an advertisement fits; `None`: not at all. Every part given must fit; a name says more
    /// the longer its pattern, a company more than a service.
    fn fits(&self, advert: &Advert) -> Option<(bool, usize, bool, bool)> {
        let Advertises { names, services, company, .. } = &self.advertises;
        let name = match names.as_slice() {
            [] => 0,
            names => {
                let said = advert.name.as_deref()?;
                names.iter().filter_map(|pattern| matches(pattern, said)).max()?
            }
        };
        if let Some(company) = company
            && !advert.manufacturer.contains_key(company)
        {
            return None;
        }
        let announced = |wanted: &String| {
            let all = advert.services.iter().chain(advert.service_data.keys());
            let wanted = u16::from_str_radix(wanted, 16).ok();
            all.filter_map(|uuid| short(*uuid)).any(|uuid| Some(uuid) == wanted)
        };
        if !services.is_empty() && !services.iter().any(announced) {
            return None;
        }
        if names.is_empty() && company.is_none() && services.is_empty() {
            return None;
        }
        Some((!self.is_standard(), name, company.is_some(), !services.is_empty()))
    }
}

/// How many characters of `said` a pattern fixes; `None`: it does not fit.
fn matches(pattern: &str, said: &str) -> Option<usize> {
    match pattern.strip_suffix('*') {
        Some(start) => said.starts_with(start).then_some(start.len()),
        // To the letter beats a beginning of the same length.
        None => (pattern == said).then_some(pattern.len() + 1),
    }
}

/// Profiles by id.
#[derive(Clone, Debug, Default)]
pub struct Profiles {
    profiles: BTreeMap<String, Profile>,
}

impl Profiles {
    /// The profiles compiled in. A test shows that each of them is sound.
    pub fn built_in() -> Self {
        let parsed = BUILT_IN.iter().filter_map(|(id, text)| {
            Profile::parse(&format!("{id}.toml"), id, text).ok().map(|p| (p.id.clone(), p))
        });
        Self { profiles: parsed.collect() }
    }

    /// The profiles compiled in and every `*.toml` of a folder; one with the id of a compiled-in
    /// profile takes its place.
    ///
    /// # Errors
    /// The folder or a file cannot be read; or all problems of all files.
    pub fn load(folder: &Path) -> Result<Self, LoadError> {
        let unreadable =
            |path: &Path, cause| LoadError::Read { path: path.display().to_string(), cause };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(|cause| unreadable(folder, cause))? {
            let path = entry.map_err(|cause| unreadable(folder, cause))?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                paths.push(path);
            }
        }
        paths.sort();
        let mut known = Self::built_in();
        let mut problems = Vec::new();
        for path in &paths {
            let text = std::fs::read_to_string(path).map_err(|cause| unreadable(path, cause))?;
            let id = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            match Profile::parse(&path.display().to_string(), id, &text) {
                Ok(profile) => drop(known.profiles.insert(profile.id.clone(), profile)),
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() { Ok(known) } else { Err(LoadError::Problems(problems)) }
    }

    /// The profile with this id.
    pub fn named(&self, id: &str) -> Option<&Profile> {
        self.profiles.get(id)
    }

    /// How models depart from the standards, by their profiles' ids; for the decoder.
    pub fn quirks(&self) -> BTreeMap<String, Vec<Quirk>> {
        let some = self.profiles.iter().filter(|(_, profile)| !profile.quirks.is_empty());
        some.map(|(id, profile)| {
            (id.clone(), profile.quirks.iter().filter_map(|name| Quirk::named(name)).collect())
        })
        .collect()
    }

    /// All profiles by id.
    pub fn iter(&self) -> impl Iterator<Item = &Profile> {
        self.profiles.values()
    }

    /// The profile that fits an advertisement best; the generic one of a standard service last.
    pub fn for_advert(&self, advert: &Advert) -> Option<&Profile> {
        let fitting = self.profiles.values().filter_map(|p| p.fits(advert).map(|fit| (fit, p)));
        // `max_by_key` takes the last of equals; ids break ties, so that it is the same every time.
        fitting.max_by_key(|(fit, profile)| (*fit, std::cmp::Reverse(&profile.id))).map(|(_, p)| p)
    }

    /// The profile for what the Device Information service says: manufacturer (2A29), model (2A24).
    pub fn for_information(&self, manufacturer: &str, model: &str) -> Option<&Profile> {
        let fit = |pattern: &String| {
            let (maker, of_it) = pattern.split_once('/')?;
            Some(matches(maker, manufacturer)? + matches(of_it, model)?)
        };
        let fitting = self.profiles.values().filter_map(|profile| {
            profile.advertises.information.iter().filter_map(fit).max().map(|fit| (fit, profile))
        });
        fitting.max_by_key(|(fit, profile)| (*fit, std::cmp::Reverse(&profile.id))).map(|(_, p)| p)
    }
}

/// For checks of meaning that name a place.
pub(super) fn at(
    document: &Document,
    key: &str,
    message: impl Into<String>,
    help: &str,
) -> Problem {
    document.problem(key, message, Some(help.to_owned()).filter(|help| !help.is_empty()))
}
