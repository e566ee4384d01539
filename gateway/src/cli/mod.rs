//! The `hearth` binary's command line: one file per subcommand, no decision in `main`.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

pub mod alert;
pub mod assess;
pub mod backup;
pub mod check_config;
pub mod claim;
pub mod client;
pub mod clock;
pub mod completions;
pub mod consume;
pub mod contract;
pub mod decode;
pub mod devices;
pub mod exit;
pub mod journal;
pub mod man;
pub mod need;
pub mod patient;
pub mod plan;
pub mod print;
pub mod prompt;
pub mod replay;
pub mod run;
pub mod status;
pub mod task;

use exit::{Exit, Failure};

/// Hearth: a gateway that takes readings at home, loses none, and asks for help when it is needed
#[derive(Debug, Parser)]
#[command(
    name = "hearth",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_help = after_help(),
    disable_help_subcommand = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

fn after_help() -> String {
    format!(
        "Example:\n  hearth check-config --config hearth.toml\n  hearth run --config hearth.toml\n  \
         hearth status\n\n{}\n\
         Environment:\n  HEARTH_CONFIG  the configuration file, where no --config is given\n  \
         HEARTH_LOG     what `hearth run` logs, as a filter: hearth_gateway=debug\n  \
         NO_COLOR       no colour",
        Exit::table()
    )
}

/// What `hearth` can do. The explanation of each stands at its type; a second one here would
/// replace it.
#[derive(Debug, Subcommand)]
#[allow(missing_docs)]
pub enum Command {
    Run(run::Run),
    CheckConfig(check_config::CheckConfig),
    Status(status::Status),
    Decode(decode::Decode),
    Assess(assess::Assess),
    Replay(replay::Replay),
    Journal(journal::Journal),
    Consume(consume::Consume),
    Contract(contract::Contract),
    Patient(patient::Patient),
    Plan(plan::Plan),
    Devices(devices::Devices),
    Alert(alert::Alert),
    Need(need::Need),
    Task(task::Task),
    Prompt(prompt::Prompt),
    Claim(claim::Claim),
    Clock(clock::Clock),
    Backup(backup::Backup),
    Restore(backup::Restore),
    Completions(completions::Completions),
    Man(man::Man),
}

/// The whole program: reads the command line, does it, tells what failed.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no failures; clap prints them, and usage errors, with colour as
            // wished.
            let usage = error.use_stderr();
            let _ = error.print();
            return if usage { Exit::Usage } else { Exit::Ok }.into();
        }
    };
    match cli.command.run() {
        Ok(exit) => exit.into(),
        Err(failure) => failure.tell().into(),
    }
}

impl Command {
    fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::Run(command) => command.run(),
            Self::CheckConfig(command) => command.run(),
            Self::Status(command) => command.run(),
            Self::Decode(command) => command.run(),
            Self::Assess(command) => command.run(),
            Self::Consume(command) => command.run(),
            Self::Contract(command) => command.run(),
            Self::Patient(command) => command.run(),
            Self::Plan(command) => command.run(),
            Self::Devices(command) => command.run(),
            Self::Alert(command) => command.run(),
            Self::Need(command) => command.run(),
            Self::Task(command) => command.run(),
            Self::Prompt(command) => command.run(),
            Self::Claim(command) => command.run(),
            Self::Clock(command) => command.run(),
            Self::Backup(command) => command.run(),
            Self::Restore(command) => command.run(),

            Self::Replay(command) => command.run(),
            Self::Journal(command) => command.run(),
            Self::Completions(command) => command.run(),
            Self::Man(command) => command.run(),
        }
    }
}

/// The command line as clap knows it, for completions, manual pages and tests.
pub fn command() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    fn each(command: &clap::Command, path: &str, check: &mut impl FnMut(&clap::Command, &str)) {
        check(command, path);
        for inner in command.get_subcommands() {
            each(inner, &format!("{path} {}", inner.get_name()), check);
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        super::command().debug_assert();
    }

    #[test]
    fn every_help_explains_and_has_an_example() {
        let mut count = 0;
        each(&super::command(), "hearth", &mut |command, path| {
            let help = command.clone().render_long_help().to_string();
            assert!(help.contains("Example"), "{path} has no example");
            assert!(command.get_about().is_some(), "{path} has no explanation");
            count += 1;
        });
        assert!(count > 40, "{count}");
    }
}
