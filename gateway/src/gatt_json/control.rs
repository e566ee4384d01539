//! Sensors' sessions, and the control points through which devices are asked.

use hearth_shared::gatt::cgm::{CgmFeature, CgmMeasurement, CgmRecord, CgmSessionStart, CgmStatus};
use hearth_shared::gatt::cgm_control::{CgmControlPoint, CgmOperand};
use hearth_shared::gatt::record_access::{FilterValue, Operand, RecordAccess};
use hearth_shared::gatt::user_data::{ResponseParameter, UserControlPoint};
use hearth_shared::gatt::{Code, Flags};

use super::tree::{Fields, Json, status};
use super::{crc, dst_offset, supported, time_zone, utc};

fn op(code: Code) -> Fields {
    Fields::new().put("op_code", code.raw()).put("op_name", code.name())
}

fn response(fields: Fields, request_op_code: u8, response: Code) -> Fields {
    fields
        .put("request_op_code", request_op_code)
        .put("response_code", response.raw())
        .put("response_name", response.name())
}

pub(super) fn record_access(m: &RecordAccess) -> Json {
    let fields =
        op(m.op_code).put("operator", m.operator.raw()).put("operator_name", m.operator.name());
    match m.operand {
        Operand::None => fields,
        Operand::One { filter_type, value } => {
            fields.put("filter_type", filter_type).put("operand", filter(value))
        }
        Operand::Range { filter_type, min, max } => {
            fields.put("filter_type", filter_type).put("operand", vec![filter(min), filter(max)])
        }
        Operand::NumberOfRecords(count) => fields.put("number_of_records", count),
        Operand::Response { request_op_code, response: code } => {
            response(fields, request_op_code, code)
                .put("success", code.raw() == RecordAccess::SUCCESS)
        }
    }
    .done()
}

fn filter(value: FilterValue) -> Json {
    match value {
        FilterValue::Number(number) => number.into(),
        FilterValue::Time(time) => time.into(),
    }
}

pub(super) fn user_control_point(m: &UserControlPoint) -> Json {
    let fields = op(m.op_code());
    match *m {
        UserControlPoint::RegisterNewUser { consent_code } => {
            fields.put("consent_code", consent_code)
        }
        UserControlPoint::Consent { user_index, consent_code } => {
            fields.put("user_index", user_index).put("consent_code", consent_code)
        }
        UserControlPoint::DeleteUserData | UserControlPoint::ListAllUsers => fields,
        UserControlPoint::DeleteUsers { user_index } => fields.put("user_index", user_index),
        UserControlPoint::Response { request_op_code, response: code, parameter } => {
            let fields = response(fields, request_op_code, code);
            match parameter {
                ResponseParameter::None => fields,
                ResponseParameter::UserIndex(index) => fields.put("user_index", index),
                ResponseParameter::NumberOfUsers(count) => fields.put("number_of_users", count),
            }
        }
    }
    .done()
}

pub(super) fn cgm_measurement(m: &CgmMeasurement<'_>) -> Json {
    let records: Vec<Json> = m.records().map(|record| cgm_record(&record)).collect();
    Fields::new().put("records", records).done()
}

fn annunciation(flags: Option<Flags>) -> Option<Json> {
    flags.map(|f| status(f).done())
}

fn cgm_record(m: &CgmRecord) -> Json {
    Fields::new()
        .put("size", m.size)
        .put("flags", m.flags)
        .put("concentration", m.concentration)
        .put("time_offset_minutes", m.time_offset_minutes)
        .maybe("status", annunciation(m.status))
        .maybe("cal_temp", annunciation(m.cal_temp))
        .maybe("warning", annunciation(m.warning))
        .maybe("trend", m.trend)
        .maybe("quality", m.quality)
        .reserved(m.flags & CgmRecord::RESERVED_FLAGS)
        .put("crc", m.crc.map(crc))
        .done()
}

pub(super) fn cgm_feature(m: &CgmFeature) -> Json {
    supported(m.supported)
        .put("type", m.sample_type)
        .put("sample_location", m.sample_location)
        .reserved(m.reserved)
        .put("crc", crc(m.crc))
        .put("crc_checked", m.crc_checked)
        .done()
}

pub(super) fn cgm_status(m: &CgmStatus) -> Json {
    Fields::new()
        .put("time_offset_minutes", m.time_offset_minutes)
        .put("status", status(m.status))
        .put("cal_temp", status(m.cal_temp))
        .put("warning", status(m.warning))
        .put("crc", m.crc.map(crc))
        .done()
}

pub(super) fn cgm_session_start(m: &CgmSessionStart) -> Json {
    Fields::new()
        .put("session_start_time", m.start)
        .put("time_zone", time_zone(m.time_zone))
        .put("dst_offset", dst_offset(m.dst_offset))
        .put("utc", m.utc().and_then(utc))
        .put("crc", m.crc.map(crc))
        .done()
}

pub(super) fn cgm_control_point(m: &CgmControlPoint) -> Json {
    let fields = op(m.op_code);
    match m.operand {
        CgmOperand::None => fields,
        CgmOperand::IntervalMinutes(minutes) => fields.put("interval_minutes", minutes),
        CgmOperand::RecordNumber(number) => fields.put("record_number", number),
        CgmOperand::Level(level) => fields.put("level", level),
        CgmOperand::Calibration(c) => fields
            .put("concentration", c.concentration)
            .put("calibration_time_minutes", c.time_minutes)
            .put("type", c.sample_type)
            .put("sample_location", c.sample_location)
            .put("next_calibration_minutes", c.next_minutes)
            .put("record_number", c.record_number)
            .put("calibration_status", status(c.status)),
        CgmOperand::Response { request_op_code, response: code } => {
            response(fields, request_op_code, code)
        }
    }
    .put("crc", m.crc.map(crc))
    .done()
}
