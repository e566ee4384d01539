//! Record Access Control Point 2A52, shared by the services that store records.
//!
//! | order | octets | field |
//! |---|---|---|
//! | 1 | 1 | op code |
//! | 2 | 1 | operator |
//! | 3 | by op code and operator | operand |
//!
//! | op codes | operator | operand |
//! |---|---|---|
//! | 1 report, 2 delete, 4 count, 7 combined | 1 all, 5 first, 6 last | none |
//! | same | 2 at most, 3 at least | filter type, value |
//! | same | 4 within range | filter type, minimum, maximum |
//! | 3 abort | 0 null | none |
//! | 5 count, 8 combined response | 0 null | count, two or four octets |
//! | 6 response | 0 null | request op code, response code |
//!
//! A filter value is a u16, for filter type 2 (user-facing time) a Date Time of seven octets.
//! `bluetooth-profiles` 4.4.

use super::cursor::Cursor;
use super::{Code, DateTime, DecodeError, Field, names};

/// One value of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterValue {
    /// A sequence number, or minutes in the CGM service.
    Number(u16),
    /// A user-facing time.
    Time(DateTime),
}

/// What follows the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Operand {
    None,
    One { filter_type: u8, value: FilterValue },
    Range { filter_type: u8, min: FilterValue, max: FilterValue },
    NumberOfRecords(u32),
    Response { request_op_code: u8, response: Code },
}

/// A request to a record access control point, or its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct RecordAccess {
    pub op_code: Code,
    pub operator: Code,
    pub operand: Operand,
}

/// The filter type whose values are dates.
const FILTER_USER_FACING_TIME: u8 = 2;

impl RecordAccess {
    /// The response code for success.
    pub const SUCCESS: u8 = 1;
    /// The response code that says that nothing matched.
    pub const NO_RECORDS_FOUND: u8 = 6;

    pub(super) fn decode(mut c: Cursor<'_>) -> Result<Self, DecodeError> {
        let op_code = c.u8(Field::OpCode)?;
        if !(1..=8).contains(&op_code) {
            return Err(reserved(Field::OpCode, 0, op_code));
        }
        let operator = c.u8(Field::Operator)?;
        if operator > 6 {
            return Err(reserved(Field::Operator, 1, operator));
        }
        let takes_filter = matches!(op_code, 1 | 2 | 4 | 7);
        if takes_filter == (operator == 0) {
            return Err(DecodeError::InvalidOperator { op_code, found: operator });
        }
        let operand = match (op_code, operator) {
            (5 | 8, _) => Operand::NumberOfRecords(number_of_records(&mut c)?),
            (6, _) => Operand::Response {
                request_op_code: c.u8(Field::RequestOpCode)?,
                response: Code::new(c.u8(Field::ResponseCode)?, names::RACP_RESPONSE),
            },
            (_, 2 | 3) => {
                let filter_type = c.u8(Field::FilterType)?;
                let value = filter_value(&mut c, filter_type, Field::Operand)?;
                Operand::One { filter_type, value }
            }
            (_, 4) => {
                let filter_type = c.u8(Field::FilterType)?;
                let min = filter_value(&mut c, filter_type, Field::Operand)?;
                let max = filter_value(&mut c, filter_type, Field::OperandMax)?;
                Operand::Range { filter_type, min, max }
            }
            _ => Operand::None,
        };
        c.finish()?;
        Ok(Self {
            op_code: Code::new(op_code, names::RACP_OP),
            operator: Code::new(operator, names::RACP_OPERATOR),
            operand,
        })
    }
}

fn reserved(field: Field, at: u16, found: u8) -> DecodeError {
    DecodeError::ReservedValue { field, at, found: i32::from(found) }
}

/// Two octets in the glucose service, two or four elsewhere.
fn number_of_records(c: &mut Cursor<'_>) -> Result<u32, DecodeError> {
    match c.rest().len() {
        2 => c.u16(Field::NumberOfRecords).map(u32::from),
        4 => c.u32(Field::NumberOfRecords),
        other => Err(DecodeError::BadLength {
            at: c.position(),
            found: u16::try_from(other).unwrap_or(u16::MAX),
        }),
    }
}

fn filter_value(
    c: &mut Cursor<'_>,
    filter_type: u8,
    field: Field,
) -> Result<FilterValue, DecodeError> {
    if filter_type == FILTER_USER_FACING_TIME {
        c.date_time(field).map(FilterValue::Time)
    } else {
        c.u16(field).map(FilterValue::Number)
    }
}
