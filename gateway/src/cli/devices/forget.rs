//! `hearth devices forget`: the bond of a device is given up.

use serde_json::{Value, json};

use super::super::client::Daemon;
use super::super::exit::{Exit, Failure};
use super::super::print::{self, Format};
use super::ask;
use crate::control::Verb;
use crate::control::command::Target;
use crate::requests::RadioRequest;

/// Remove the bond of a device here and take it out of use
///
/// Its readings and their owners stay. The device keeps its own side of the bond: it is removed there by
/// hand.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  hearth devices forget cuff-1\n  hearth devices forget cuff-1 --keep"
)]
pub(super) struct Forget {
    /// Device id
    id: String,
    /// Leave it on the roster: it is to be paired anew
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    daemon: Daemon,
}

impl Forget {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let device = super::show::device(&self.daemon, &self.id)?;
        let address = device.get("address").and_then(Value::as_str);
        let mut said = Vec::new();
        let bond = match address {
            None => "no_address".to_owned(),
            Some(address) => {
                match ask::radio(&self.daemon, RadioRequest::Unbond { address: address.to_owned() })
                {
                    Ok(_) => {
                        said.push(format!("The bond of {} is removed here.", self.id));
                        "removed".to_owned()
                    }
                    // Without a radio there is no bond of it to remove, or nobody who could.
                    Err(failure) if failure.code == "no_radio" => {
                        said.push(
                            "This gateway has no radio: if there is a bond, it stays with the \
                             Bluetooth service."
                                .to_owned(),
                        );
                        failure.code
                    }
                    Err(failure) => return Err(failure),
                }
            }
        };
        let in_use = device.get("retired").is_none_or(Value::is_null);
        if !self.keep && in_use {
            let result = self.daemon.execute(Verb::DeviceClose(Target { id: self.id.clone() }))?;
            said.push(print::cell(result.get("sentence")));
        }
        let next = by_hand(&self.id, self.keep);
        if self.format.json {
            let result = json!({
                "device": self.id, "bond": bond, "kept": self.keep || !in_use, "next": next,
            });
            print::out(&format!("{result}\n"))?;
        } else {
            print::out(&said.iter().map(|line| format!("{line}\n")).collect::<String>())?;
            print::out(&format!("{next}\n"))?;
        }
        Ok(Exit::Ok)
    }
}

/// What the person must do on the device, where this gateway cannot reach.
fn by_hand(id: &str, keep: bool) -> String {
    let there = "On the device, clear its list of paired phones (its manual says where; some do it when \
                 they are put into pairing mode).";
    if keep { format!("{there} Then: hearth devices pair --as {id}") } else { there.to_owned() }
}
