//! Where octets are wrong, for people: a caret under them, what was expected, what to do.

use std::fmt::Write as _;

use hearth_shared::gatt::{DecodeError, Field};

/// Octets on one line.
const PER_LINE: usize = 16;

/// One sentence that says what is wrong and where.
pub(crate) fn sentence(error: DecodeError) -> String {
    match error {
        DecodeError::Truncated { field, at, need, have } => {
            let (field, s) = (field.as_str(), if need == 1 { "" } else { "s" });
            format!(
                "{field} needs {need} octet{s} at offset {at}, and {have} {} left",
                is_are(have)
            )
        }
        DecodeError::TrailingBytes { at, surplus } => {
            format!("the value ends before offset {at}, and {surplus} {} too many", is_are(surplus))
        }
        DecodeError::ReservedValue { field, at, found } => {
            let field = field.as_str();
            format!("{field} at offset {at} is {found}, which is reserved; {}", allowed(field))
        }
        DecodeError::InvalidDate { field, at, found } => {
            format!(
                "no calendar has {} {found} (offset {at}); {}",
                field.as_str(),
                date_range(field)
            )
        }
        DecodeError::CrcMismatch { at, computed, found } => format!(
            "the CRC at offset {at} is 0x{found:04X}, and the octets before it give 0x{computed:04X}"
        ),
        DecodeError::CrcMissing { at } => {
            format!("a CRC of 2 octets was promised at offset {at}, and the value ends there")
        }
        DecodeError::BadSize { at, need, found } => format!(
            "the record at offset {at} says that it has {found} octets, and its flags ask for \
             {need} or, with a CRC, {}",
            need.saturating_add(2)
        ),
        DecodeError::BadLength { at: 0, found } => {
            format!("{found} octets are more than the 512 that a value can have")
        }
        DecodeError::BadLength { at, found } => {
            format!(
                "a record count has 2 or 4 octets, and {found} {} left at offset {at}",
                is_are(found)
            )
        }
        DecodeError::InvalidOperator { op_code, found: 0 } => {
            format!("op code {op_code} needs an operator of 1 to 6, and it is 0 (null)")
        }
        DecodeError::InvalidOperator { op_code, found } => {
            format!("op code {op_code} takes operator 0 (null) only, and it is {found}")
        }
        DecodeError::OutOfRange { field, at, max, found } => {
            format!("{} at offset {at} is {found}, and at most {max} is allowed", field.as_str())
        }
        DecodeError::UnknownCharacteristic { uuid16 } => {
            format!("nothing decodes characteristic {uuid16:04X}")
        }
    }
}

fn is_are(octets: u16) -> &'static str {
    if octets == 1 { "octet is" } else { "octets are" }
}

fn allowed(field: &str) -> &'static str {
    match field {
        "time_zone" => "allowed are -48 to 56, and -128 for unknown",
        "dst_offset" => "allowed are 0, 2, 4, 8, and 255 for unknown",
        "day_of_week" => "allowed are 1 (Monday) to 7, and 0 for unknown",
        "level_percent" => "allowed are 0 to 100",
        "operator" => "allowed are 0 to 6",
        _ => "no meaning is defined for it",
    }
}

fn date_range(field: Field) -> &'static str {
    match field {
        Field::Year => "years are 1582 to 9999, and 0 for unknown",
        Field::Month => "months are 1 to 12, and 0 for unknown",
        Field::Day => "the month has fewer days",
        Field::Hour => "hours are 0 to 23",
        _ => "minutes and seconds are 0 to 59",
    }
}

/// What an integrator can do about it.
fn advice(error: DecodeError) -> &'static str {
    match error {
        DecodeError::Truncated { .. } => {
            "Check that the whole notification was captured (MTU, cut logs), and that the flags \
             announce what the device really sends."
        }
        DecodeError::TrailingBytes { .. } => {
            "Check the characteristic: this one has a fixed length. A vendor's addition needs a \
             driver of its own."
        }
        DecodeError::ReservedValue { .. } => {
            "Check the characteristic, and whether the vendor uses this number for itself: then a \
             driver of its own must translate it."
        }
        DecodeError::InvalidDate { .. } => {
            "Check the device's clock. If the other fields look wrong too, the layout is not the \
             standard one and the model needs a driver of its own."
        }
        DecodeError::CrcMismatch { .. } | DecodeError::CrcMissing { .. } => {
            "Read the CGM feature (2AA8): bit 12 says whether there is a CRC. If there is, the \
             octets were damaged or cut; read them again."
        }
        DecodeError::BadSize { .. } => {
            "Check where the record starts: records stand back to back, each with its own size. \
             Say whether the sensor sends a CRC."
        }
        DecodeError::BadLength { .. } | DecodeError::InvalidOperator { .. } => {
            "Check that these octets belong to a record access control point (2A52)."
        }
        DecodeError::OutOfRange { .. } => "Consent codes are four decimal digits, 0000 to 9999.",
        DecodeError::UnknownCharacteristic { .. } => {
            "Give a number or a name from the list that `hearth decode` prints."
        }
    }
}

/// The octets with a caret under those that are wrong, the sentence, and what to do.
pub(crate) fn report(error: DecodeError, octets: &[u8]) -> String {
    let (at, length) = error.span();
    let (at, end) = (usize::from(at), usize::from(at).saturating_add(usize::from(length)));
    let mut text = format!("{}\n\n", error.kind());
    // A place after the last octet may begin a line of its own.
    let lines = octets.len().max(at + 1).div_ceil(PER_LINE);
    for line in 0..lines {
        let start = line * PER_LINE;
        let range = start..start + PER_LINE;
        let digits: Vec<String> =
            octets.iter().skip(start).take(PER_LINE).map(|o| format!("{o:02x}")).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {start:>3}  {}", digits.join(" "));
        let marks: Vec<&str> =
            range.map(|n| if (at..end).contains(&n) { "^^" } else { "  " }).collect();
        let marks = marks.join(" ").replace("^^ ^^", "^^^^^").replace("^^ ^^", "^^^^^");
        if marks.contains('^') {
            let _ = writeln!(text, "       {}", marks.trim_end());
        }
    }
    let _ = write!(text, "\n{}.\n{}\n", sentence(error), advice(error));
    text
}
