//! User Data Service: User Index 2A9A, Database Change Increment 2A99, User Control Point 2A9F and
//! Registered User 2B37.
//!
//! | characteristic | octets | fields |
//! |---|---|---|
//! | 2A9A | 1 | user index 0..=254, 255 unknown |
//! | 2A99 | 4 | change increment |
//! | 2B37 | 1, 1, rest | segmentation header, user index, user name in UTF-8 |
//! | 2A9F | 1, then by op code | see below |
//!
//! | op code | operand |
//! |---|---|
//! | 1 register new user | consent code u16, 0..=9999 |
//! | 2 consent | user index u8, consent code u16 |
//! | 3 delete user data, 4 list all users | none |
//! | 5 delete users | user index u8 |
//! | 0x20 response | request op code u8, response u8, and on success of 1, 5 or 4 one octet: |
//! | | of 1 and 5 the user index, of 4 the number of users |
//!
//! `bluetooth-profiles` 8.

use super::cursor::Cursor;
use super::enhanced_blood_pressure::Segment;
use super::{Code, DecodeError, Field, UserId, names};

/// The largest consent code.
pub const CONSENT_CODE_MAX: u16 = 9999;

/// A request to the user control point, or its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum UserControlPoint {
    RegisterNewUser { consent_code: u16 },
    Consent { user_index: u8, consent_code: u16 },
    DeleteUserData,
    ListAllUsers,
    DeleteUsers { user_index: u8 },
    Response { request_op_code: u8, response: Code, parameter: ResponseParameter },
}

/// What a successful response adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ResponseParameter {
    None,
    UserIndex(u8),
    NumberOfUsers(u8),
}

impl UserControlPoint {
    /// The response value for success.
    pub const SUCCESS: u8 = 1;

    pub(super) fn decode(mut c: Cursor<'_>) -> Result<Self, DecodeError> {
        let op_code = c.u8(Field::OpCode)?;
        let decoded = match op_code {
            1 => Self::RegisterNewUser { consent_code: consent_code(&mut c)? },
            2 => {
                let user_index = c.u8(Field::UserIndex)?;
                Self::Consent { user_index, consent_code: consent_code(&mut c)? }
            }
            3 => Self::DeleteUserData,
            4 => Self::ListAllUsers,
            5 => Self::DeleteUsers { user_index: c.u8(Field::UserIndex)? },
            0x20 => {
                let request_op_code = c.u8(Field::RequestOpCode)?;
                let response = Code::new(c.u8(Field::ResponseCode)?, names::UCP_RESPONSE);
                let parameter = match (response.raw(), request_op_code) {
                    (Self::SUCCESS, 1 | 5) => ResponseParameter::UserIndex(c.u8(Field::UserIndex)?),
                    (Self::SUCCESS, 4) => {
                        ResponseParameter::NumberOfUsers(c.u8(Field::NumberOfUsers)?)
                    }
                    _ => ResponseParameter::None,
                };
                Self::Response { request_op_code, response, parameter }
            }
            other => {
                let found = i32::from(other);
                return Err(DecodeError::ReservedValue { field: Field::OpCode, at: 0, found });
            }
        };
        c.finish()?;
        Ok(decoded)
    }

    /// The op code with its name.
    pub const fn op_code(&self) -> Code {
        let raw = match self {
            Self::RegisterNewUser { .. } => 1,
            Self::Consent { .. } => 2,
            Self::DeleteUserData => 3,
            Self::ListAllUsers => 4,
            Self::DeleteUsers { .. } => 5,
            Self::Response { .. } => 0x20,
        };
        Code::new(raw, names::UCP_OP)
    }
}

/// A consent code, 0000..=9999.
fn consent_code(c: &mut Cursor<'_>) -> Result<u16, DecodeError> {
    let at = c.position();
    let found = c.u16(Field::ConsentCode)?;
    if found > CONSENT_CODE_MAX {
        let (field, max) = (Field::ConsentCode, CONSENT_CODE_MAX);
        return Err(DecodeError::OutOfRange { field, at, max, found });
    }
    Ok(found)
}

/// 2A9A.
pub(super) fn user_index(mut c: Cursor<'_>) -> Result<UserId, DecodeError> {
    c.at_most(1)?;
    c.u8(Field::UserIndex).map(UserId)
}

/// 2A99.
pub(super) fn change_increment(mut c: Cursor<'_>) -> Result<u32, DecodeError> {
    c.at_most(4)?;
    c.u32(Field::ChangeIncrement)
}

/// A segment of one registered user's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct RegisteredUser<'a> {
    pub segment: Segment,
    pub user_index: UserId,
    /// UTF-8, possibly cut inside a character where the name is segmented.
    pub user_name: &'a [u8],
}

impl<'a> RegisteredUser<'a> {
    pub(super) fn decode(mut c: Cursor<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            segment: Segment(c.u8(Field::SegmentationHeader)?),
            user_index: UserId(c.u8(Field::UserIndex)?),
            user_name: c.rest(),
        })
    }
}
