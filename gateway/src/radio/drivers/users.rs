//! Users of a shared device: consent by code, once in every connection (User Data Service 1.1).

use hearth_shared::gatt::user_data::{ResponseParameter, UserControlPoint};
use hearth_shared::gatt::{self, Measurement};

use super::Finding;
use crate::radio::air::Place;

/// User Control Point.
pub(super) const CONTROL: Place = Place::sig(0x181C, 0x2A9F);
/// Database Change Increment: whoever changed a user's data writes it, one higher, last.
pub(super) const CHANGE_INCREMENT: Place = Place::sig(0x181C, 0x2A99);
/// Age, date of birth, gender, height: what a scale computes with.
pub(super) const OWN_DATA: [Place; 4] = [
    Place::sig(0x181C, 0x2A80),
    Place::sig(0x181C, 0x2A85),
    Place::sig(0x181C, 0x2A8C),
    Place::sig(0x181C, 0x2A8E),
];
/// How long a device may take to answer.
pub(super) const ANSWER_MS: u32 = 10_000;

/// What a user control point is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Register { code: u16 },
    Consent { slot: u8, code: u16 },
}

impl Request {
    pub(super) fn octets(self) -> Vec<u8> {
        match self {
            Self::Register { code } => [&[1][..], &code.to_le_bytes()].concat(),
            Self::Consent { slot, code } => [&[2, slot][..], &code.to_le_bytes()].concat(),
        }
    }

    /// What an indication of the control point answers to this request; `None`: something else.
    pub(super) fn answer(self, octets: &[u8]) -> Option<Option<Finding>> {
        let decoded = gatt::decode_uuid16(0x2A9F, octets, gatt::Context::default()).ok()?;
        let Measurement::UserControlPoint(UserControlPoint::Response {
            request_op_code,
            response,
            parameter,
        }) = decoded
        else {
            return None;
        };
        let accepted = response.raw() == UserControlPoint::SUCCESS;
        match (self, request_op_code, parameter) {
            (Self::Register { .. }, 1, ResponseParameter::UserIndex(slot)) => {
                Some(Some(Finding::Registered { slot }))
            }
            (Self::Register { .. }, 1, _) => Some(None),
            (Self::Consent { slot, .. }, 2, _) => Some(Some(Finding::Consent { slot, accepted })),
            _ => None,
        }
    }
}
