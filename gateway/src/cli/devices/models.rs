//! `hearth devices models`: which models the gateway knows, and how surely.

use serde_json::{Value, json};

use super::super::client::Daemon;
use super::super::exit::{Exit, Failure};
use super::super::print::{self, Format};
use crate::config;
use crate::control::command::nearest;
use crate::radio::profile::{Passkey, Profile, Profiles};

/// List the device models that are known: built in, and those of the folder radio.models
///
/// "Unverified": written from documents and public reports; no real device has confirmed this profile.
/// GATT: `standard`, `quirks` (departures that are mended), `private` (a protocol of its own).
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hearth devices models\n  \
    hearth devices models --json | jq -r 'select(.kind == \"glucose_meter\") | .name'")]
pub(super) struct Models {
    /// Only this one, with everything that its file says
    model: Option<String>,
    /// The gateway's configuration file [default: hearth.toml, then /etc/hearth/hearth.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<std::path::PathBuf>,
    #[command(flatten)]
    format: Format,
}

impl Models {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let daemon = Daemon { socket: None, config: self.config };
        let known = known(&daemon)?;
        if let Some(id) = &self.model {
            let profile = named(&known, id)?;
            if self.format.json {
                print::thing(self.format, &json!(profile))?;
            } else {
                let text = toml::to_string(profile).map_err(super::super::client::internal)?;
                print::out(&text)?;
            }
            return Ok(Exit::Ok);
        }
        let rows: Vec<Value> = known.iter().map(row).collect();
        print::rows(
            self.format,
            &rows,
            &[
                ("id", "MODEL"),
                ("maker", "MAKER"),
                ("name", "NAME"),
                ("kind", "KIND"),
                ("digits", "DIGITS"),
                ("gatt", "GATT"),
                ("confirmed", "CONFIRMED"),
                ("supported", "SUPPORTED"),
            ],
            "No models are known.",
        )?;
        Ok(Exit::Ok)
    }
}

fn row(profile: &Profile) -> Value {
    let digits = match profile.bond.passkey {
        Passkey::None => "none",
        Passkey::DeviceShows => "typed here",
        Passkey::Compare => "compared",
    };
    let supported = profile.unsupported.is_none();
    let confirmed = match profile.confirmed.len() {
        0 => "unverified".to_owned(),
        n => format!("by {n} reports"),
    };
    json!({
        "id": profile.id, "maker": profile.maker, "name": profile.name, "kind": profile.kind,
        "digits": digits, "confirmed": confirmed, "supported": supported,
        "why_not": profile.unsupported, "gatt": profile.gatt,
        "hint": profile.pairing_hint,
    })
}

/// The models of the gateway with this configuration; those built in, where there is none.
///
/// # Errors
/// The configuration, or a model of its folder, cannot be used.
pub(super) fn known(daemon: &Daemon) -> Result<Profiles, Failure> {
    let Some(file) = config::find(daemon.config.as_deref()) else {
        return Ok(Profiles::built_in());
    };
    match config::models_of(&file) {
        Some(config) => crate::app::models(&config),
        None => Ok(Profiles::built_in()),
    }
}

/// The model with this id.
///
/// # Errors
/// There is none; the nearest is named.
pub(super) fn named<'p>(known: &'p Profiles, id: &str) -> Result<&'p Profile, Failure> {
    known.named(id).ok_or_else(|| {
        let next = match nearest(id, known.iter().map(|profile| profile.id.as_str())) {
            Some(near) => format!("did you mean {near}?"),
            None => "list them: hearth devices models".to_owned(),
        };
        Failure::new(Exit::Negative, format!("There is no model with the id {id}.")).next(next)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn every_model_built_in_has_a_row_and_a_slip_is_told_the_nearest() {
        let known = Profiles::built_in();
        let rows: Vec<Value> = known.iter().map(row).collect();
        assert!(rows.len() > 10, "{}", rows.len());
        let contour = rows.iter().find(|row| row["id"] == "contour-next").unwrap();
        assert_eq!(
            (&contour["digits"], &contour["supported"]),
            (&json!("typed here"), &json!(true))
        );
        assert!(rows.iter().any(|row| row["supported"] == false && row["why_not"].is_string()));
        let slip = named(&known, "contour-nxt").unwrap_err();
        assert_eq!(slip.next.as_deref(), Some("did you mean contour-next?"));
    }

    #[test]
    fn models_of_the_configured_folder_are_known_and_a_bad_one_is_told_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hearth.toml");
        std::fs::create_dir(folder.path().join("own")).unwrap();
        std::fs::write(&file, "[radio]\nmodels = \"own\"\n").unwrap();
        let daemon = Daemon { socket: None, config: Some(file) };
        let own = folder.path().join("own/own-meter.toml");
        let text = "id = \"own-meter\"\nmaker = \"x\"\nname = \"x\"\nkind = \"glucose_meter\"\n\
                    gatt = \"standard\"\n[advertises]\nnames = [\"Own*\"]\n";
        std::fs::write(&own, text).unwrap();
        assert!(known(&daemon).unwrap().named("own-meter").is_some());
        std::fs::write(&own, text.replace("glucose_meter", "glucose_metre")).unwrap();
        let failure = known(&daemon).unwrap_err();
        assert_eq!((failure.exit, failure.problems.len()), (Exit::Configuration, 1));
        assert_eq!(failure.problems[0].line, 4);
    }
}
