//! `hearth check-config`: the whole configuration checked before anything starts.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::exit::{Exit, Failure, plain};
use super::print::{self, Format};
use crate::checked_toml::Problem;
use crate::config::{self, Adapter, Config, ConfigError, Loaded};

/// Check a configuration file without starting anything
///
/// All problems are reported at once, each with its line, what was expected and a suggestion. A
/// good file is answered with what would start.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hearth check-config --config hearth.toml\n\n\
    Exit codes: 0 the file is good, 4 it is not")]
pub struct CheckConfig {
    /// The file [default: hearth.toml, then /etc/hearth/hearth.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

impl CheckConfig {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let path = file(self.config.as_deref())?;
        match config::load(&path) {
            Ok(loaded) => {
                if let Err(mut failure) = crate::app::check(&loaded.config) {
                    // As the file's own problems: to stdout, as JSON lines where asked for.
                    self.tell(&std::mem::take(&mut failure.problems))?;
                    return Err(failure);
                }
                if self.format.json {
                    print::out(&format!("{}\n", good_json(&path, &loaded)))?;
                } else {
                    print::out(&good(&path, &loaded))?;
                }
                Ok(Exit::Ok)
            }
            Err(ConfigError::Wrong { problems, .. }) => {
                self.tell(&problems)?;
                Err(wrong(&path, problems.len()))
            }
            Err(error @ ConfigError::Unreadable { .. }) => Err(failure(error)),
        }
    }

    fn tell(&self, problems: &[Problem]) -> Result<(), Failure> {
        if self.format.json {
            print::out(&problems.iter().map(|p| p.to_json() + "\n").collect::<String>())
        } else {
            print::out(&told(problems, print::colour()))
        }
    }
}

/// The file to read, or how to name one.
pub(super) fn file(given: Option<&Path>) -> Result<PathBuf, Failure> {
    config::find(given).ok_or_else(|| {
        Failure::new(Exit::Configuration, "No configuration file was named, and none was found.")
            .next(format!(
                "name one with --config FILE; looked for {} and {}",
                config::LOCAL_FILE,
                config::SYSTEM_FILE
            ))
    })
}

/// Reads the configuration for `hearth run`: problems go to stderr.
pub(super) fn load(given: Option<&Path>) -> Result<(PathBuf, Loaded), Failure> {
    let path = file(given)?;
    match config::load(&path) {
        Ok(loaded) => {
            crate::app::check(&loaded.config)?;
            Ok((path, loaded))
        }
        Err(ConfigError::Wrong { problems, .. }) => {
            use std::io::Write;
            let _ = std::io::stderr().write_all(told(&problems, false).as_bytes());
            Err(wrong(&path, problems.len()))
        }
        Err(error) => Err(failure(error)),
    }
}

fn failure(error: ConfigError) -> Failure {
    match error {
        ConfigError::Unreadable { path, source } => Failure::new(
            Exit::Configuration,
            format!("{} could not be read: {}.", path.display(), plain(&source)),
        )
        .next("name the file with --config FILE"),
        ConfigError::Wrong { path, problems } => wrong(&path, problems.len()),
    }
}

fn wrong(path: &Path, count: usize) -> Failure {
    let problems = if count == 1 { "1 problem".to_owned() } else { format!("{count} problems") };
    Failure::new(
        Exit::Configuration,
        format!("{} has {problems}; nothing was started.", path.display()),
    )
    .next("mend the lines above; every setting is explained in hearth.example.toml")
}

fn told(problems: &[Problem], colour: bool) -> String {
    problems.iter().map(|p| format!("{}\n\n", p.render(colour))).collect()
}

/// What would start, as lines of two columns.
pub(crate) fn parts(config: &Config) -> Vec<(&'static str, String)> {
    let uplink = &config.uplink;
    let mut parts = vec![
        ("gateway", format!("{} in {}", config.gateway.id, config.gateway.zone)),
        ("data", config.database().display().to_string()),
    ];
    parts.push((
        "radio",
        match &config.radio.adapter {
            Adapter::None => "none: no readings will arrive".to_owned(),
            Adapter::Simulated => {
                format!("SIMULATED household on {}", config.radio.socket.display())
            }
            Adapter::Bluetooth(name) => match &config.radio.models {
                Some(folder) => format!("Bluetooth {name}, own models in {}", folder.display()),
                None => format!("Bluetooth {name}"),
            },
        },
    ));
    if config.embedded_broker.enabled {
        parts.push(("broker", format!("embedded, on {}", config.embedded_broker.listen)));
    }
    parts.push((
        "uplink",
        match (uplink.enabled, &uplink.tls) {
            (false, _) => "off: nothing is sent".to_owned(),
            (true, None) => format!("{}:{}, not encrypted", uplink.host, uplink.port),
            (true, Some(_)) => format!("{}:{}, TLS", uplink.host, uplink.port),
        },
    ));
    parts.push(("control", config.control.socket.display().to_string()));
    if let Some(file) = &config.household.file {
        parts.push(("household", file.display().to_string()));
    }
    parts
}

fn good(path: &Path, loaded: &Loaded) -> String {
    let mut text = format!("{} is good. `hearth run` would start:\n", path.display());
    for (name, what) in parts(&loaded.config) {
        text.push_str(&format!("  {name:<9}  {what}\n"));
    }
    for remark in &loaded.remarks {
        text.push_str(&format!("note: {remark}\n"));
    }
    text
}

fn good_json(path: &Path, loaded: &Loaded) -> serde_json::Value {
    json!({
        "file": path.display().to_string(),
        "good": true,
        "remarks": loaded.remarks,
        "config": loaded.config,
    })
}
