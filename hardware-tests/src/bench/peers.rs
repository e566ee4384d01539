//! Peers in Python: a straightforward script, a decoder from PyPI, scipy and pymannkendall.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use hearth_shared::assess::trend;
use hearth_shared::gatt::{self, Characteristic};

use super::{ratio, row, values};

/// A Python with the packages of `peers/requirements.txt`.
#[derive(Clone, Debug)]
pub struct Python {
    interpreter: PathBuf,
    scripts: PathBuf,
}

impl Python {
    /// The interpreter, where it has the packages.
    #[must_use]
    pub fn find(interpreter: &Path) -> Option<Self> {
        let works = Command::new(interpreter)
            .args(["-c", "import paho.mqtt, bluetooth_sig, scipy, pymannkendall"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        works.then(|| Self { interpreter: interpreter.to_owned(), scripts })
    }

    /// Runs a script over some input and returns the JSON line it printed.
    ///
    /// # Errors
    /// When the script fails or prints no JSON.
    pub fn run(
        &self,
        script: &str,
        arguments: &[String],
        input: &str,
    ) -> Result<serde_json::Value> {
        let mut child = Command::new(&self.interpreter)
            .arg(self.scripts.join(script))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{script} does not start"))?;
        let mut stdin = child.stdin.take().context("a pipe")?;
        stdin.write_all(input.as_bytes())?;
        drop(stdin);
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("{script} failed");
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// Seconds of a result.
pub(super) fn seconds(result: &serde_json::Value) -> f64 {
    result["seconds"].as_f64().unwrap_or(f64::NAN)
}

/// Glucose values decoded per second, against bluetooth-sig.
///
/// # Errors
/// When the peer fails.
pub fn decoding(python: Option<&Python>) -> Result<()> {
    const COUNT: usize = 50_000;
    let values = values(COUNT);
    let lines: String = values
        .iter()
        .map(|(_, octets)| {
            let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
            hex + "\n"
        })
        .collect();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    println!("\nDecoding: Glucose Measurement 2A18");
    for _ in 0..3 {
        let started = Instant::now();
        let mut decoded = 0_u32;
        for (_, octets) in &values {
            let context = gatt::Context { e2e_crc: None };
            if let Ok(measurement) = gatt::decode(
                std::hint::black_box(Characteristic::GlucoseMeasurement),
                std::hint::black_box(octets),
                context,
            ) {
                decoded += u32::from(!gatt::readings(&measurement).is_empty());
            }
        }
        anyhow::ensure!(decoded == 50_000, "all values decode");
        ours.push(f64::from(decoded) / started.elapsed().as_secs_f64());
        if let Some(python) = python {
            let result = python.run("decoder_peer.py", &[], &lines)?;
            theirs.push(f64::from(decoded) / seconds(&result));
        }
    }
    row("Hearth (octets to readings)", "values/s", &ours);
    if theirs.is_empty() {
        println!("  bluetooth-sig: not run, its packages are not installed");
    } else {
        row("bluetooth-sig 0.6.0 (Python)", "values/s", &theirs);
        ratio("Hearth / bluetooth-sig", &ours, &theirs);
    }
    Ok(())
}

/// NI-1 evaluations per second, against the calculations alone in scipy and pymannkendall.
///
/// # Errors
/// When the peer fails.
pub fn trend(python: Option<&Python>) -> Result<()> {
    const COURSES: i32 = 300;
    let course = |number: i32| -> Vec<i32> {
        (0..56).map(|day| 350 + (day * 7 + number * 13) % 31 - (day * (number % 5)) / 4).collect()
    };
    let lines: String = (0..COURSES).map(|number| format!("{:?}\n", course(number))).collect();
    let parameters = trend::Parameters::starting(100);
    let plan = trend::Plan::new(parameters).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    println!("\nNI-1: one evaluation over 56 days");
    for _ in 0..3 {
        let started = Instant::now();
        for number in 0..COURSES {
            let days: Vec<trend::DayValue> =
                (86..).zip(course(number)).map(|(day, y)| trend::DayValue { day, y }).collect();
            let measured = trend::Measured { days: &days, first_day: Some(86) };
            let _ = std::hint::black_box(trend::evaluate(&plan, &[], measured, 142));
        }
        ours.push(f64::from(COURSES) / started.elapsed().as_secs_f64());
        if let Some(python) = python {
            let result = python.run("trend_peer.py", &[], &lines)?;
            theirs.push(f64::from(COURSES) / seconds(&result));
        }
    }
    row("Hearth (the whole verdict)", "courses/s", &ours);
    if theirs.is_empty() {
        println!("  scipy, pymannkendall: not run, their packages are not installed");
    } else {
        row("scipy + pymannkendall (calculations only)", "courses/s", &theirs);
        ratio("Hearth / scipy + pymannkendall", &ours, &theirs);
    }
    Ok(())
}
