//! CGM Specific Ops Control Point 2AAC: `op code, operand, [CRC]`.
//!
//! | op codes | operand | unit |
//! |---|---|---|
//! | 01 set, 03 response of the communication interval | u8, 0 stops, 0xFF fastest | min |
//! | 02, 08, 0B, 0E, 11, 14, 17 get; 19 reset alert; 1A start, 1B stop session | none | - |
//! | 04 set, 06 response of a calibration | ten octets, below | - |
//! | 05 get calibration | record number u16, 0xFFFF last | - |
//! | 07, 09 patient high; 0A, 0C patient low; 0D, 0F hypo; 10, 12 hyper | SFLOAT | mg/dL |
//! | 13, 15 rate of decrease; 16, 18 rate of increase | SFLOAT | mg/dL/min |
//! | 1C response | request op code u8, response code u8 | - |
//!
//! Calibration: concentration SFLOAT mg/dL, time u16 min, type (low) and location (high nibble),
//! next calibration u16 min, record number u16, status u8. `bluetooth-profiles` 11.2.

use super::cursor::{Context, Cursor};
use super::{Code, DecodeError, Field, Flags, Number, Unit, crc, names};

/// A calibration record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Calibration {
    pub concentration: Number,
    pub time_minutes: u16,
    pub sample_type: Code,
    pub sample_location: Code,
    pub next_minutes: u16,
    pub record_number: u16,
    pub status: Flags,
}

/// What follows the op code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum CgmOperand {
    None,
    IntervalMinutes(u8),
    Calibration(Calibration),
    RecordNumber(u16),
    Level(Number),
    Response { request_op_code: u8, response: Code },
}

/// A request to a sensor, or its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct CgmControlPoint {
    pub op_code: Code,
    pub operand: CgmOperand,
    pub crc: Option<u16>,
}

impl CgmControlPoint {
    pub(super) fn decode(octets: &[u8], context: Context) -> Result<Self, DecodeError> {
        let mut c = Cursor::new(octets);
        let op_code = c.u8(Field::OpCode)?;
        let operand = match op_code {
            0x01 | 0x03 => CgmOperand::IntervalMinutes(c.u8(Field::IntervalMinutes)?),
            0x04 | 0x06 => CgmOperand::Calibration(Calibration::read(&mut c)?),
            0x05 => CgmOperand::RecordNumber(c.u16(Field::RecordNumber)?),
            0x07 | 0x09 | 0x0A | 0x0C | 0x0D | 0x0F | 0x10 | 0x12 => {
                CgmOperand::Level(level(&mut c, Unit::MgPerDl)?)
            }
            0x13 | 0x15 | 0x16 | 0x18 => CgmOperand::Level(level(&mut c, Unit::MgPerDlPerMinute)?),
            0x1C => CgmOperand::Response {
                request_op_code: c.u8(Field::RequestOpCode)?,
                response: Code::new(c.u8(Field::ResponseCode)?, names::CGM_RESPONSE),
            },
            0x02 | 0x08 | 0x0B | 0x0E | 0x11 | 0x14 | 0x17 | 0x19..=0x1B => CgmOperand::None,
            other => {
                let found = i32::from(other);
                return Err(DecodeError::ReservedValue { field: Field::OpCode, at: 0, found });
            }
        };
        // A single octet too many is no half CRC unless a CRC was promised.
        if c.rest().len() == 1 && context.e2e_crc != Some(true) {
            c.finish()?;
        }
        let crc = crc::tail(octets, &mut c, context)?;
        Ok(Self { op_code: Code::new(op_code, names::CGM_OP), operand, crc })
    }
}

fn level(c: &mut Cursor<'_>, unit: Unit) -> Result<Number, DecodeError> {
    Ok(Number { value: c.sfloat(Field::Level)?, unit })
}

impl Calibration {
    fn read(c: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        let concentration = c.sfloat(Field::Concentration)?;
        let time_minutes = c.u16(Field::CalibrationTime)?;
        let nibbles = c.u8(Field::TypeAndLocation)?;
        let next_minutes = c.u16(Field::NextCalibration)?;
        let record_number = c.u16(Field::RecordNumber)?;
        let status = u32::from(c.u8(Field::CalibrationStatus)?);
        Ok(Self {
            concentration: Number { value: concentration, unit: Unit::MgPerDl },
            time_minutes,
            sample_type: Code::new(nibbles & 0x0F, names::SAMPLE_TYPE),
            sample_location: Code::new(nibbles >> 4, names::CGM_SAMPLE_LOCATION),
            next_minutes,
            record_number,
            status: Flags::new(status, names::CGM_CALIBRATION_STATUS),
        })
    }
}
