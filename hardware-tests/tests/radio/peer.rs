//! The independent reader (`peers/bleak_reader.py`), run in the guest.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use hearth_hardware_tests::virtual_radio::VirtualRadio;
use serde_json::Value;

/// One run of the reader with a verb and its options; its JSON line, whether it succeeded or not.
pub(crate) fn peer(radio: &VirtualRadio, words: &str) -> anyhow::Result<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/bleak_reader.py");
    let python = radio.python()?;
    let command = format!("{} -B {} {words}", python.display(), script.display());
    let ran = radio.run_within(&command, Duration::from_secs(180))?;
    let line = ran.output.lines().last().context("the reader said nothing")?;
    serde_json::from_str(line).with_context(|| format!("the reader said {}", ran.output))
}

/// As [`peer`], where it has to succeed.
pub(crate) fn peer_does(radio: &VirtualRadio, words: &str) -> anyhow::Result<Value> {
    let answer = peer(radio, words)?;
    ensure!(answer.get("error").is_none(), "{words}: {answer}");
    eprintln!("radio:   {words}: {answer}");
    Ok(answer)
}

/// What the reader has kept in a database: the characteristic and its octets as hexadecimal digits.
pub(crate) fn kept(radio: &VirtualRadio, database: &str) -> anyhow::Result<Vec<(String, String)>> {
    let answer = peer(radio, &format!("dump --database {database}"))?;
    let values = answer["values"].as_array().with_context(|| format!("no values: {answer}"))?;
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    Ok(values.iter().map(|it| (text(&it[0]), text(&it[1]))).collect())
}
