//! The names of bits and codes (`bluetooth-profiles` 22), each beside its number.

/// Bit numbers with their names, ascending.
pub type BitNames = &'static [(u8, &'static str)];

/// Codes with their names; whatever is not listed is reserved.
pub type CodeNames = &'static [(u8, &'static str)];

/// 2A35/2A36/2B34 `measurement_status.flags`.
pub const BLOOD_PRESSURE_STATUS: BitNames = &[
    (0, "body_movement"),
    (1, "cuff_too_loose"),
    (2, "irregular_pulse"),
    (5, "improper_position"),
];

/// 2A49 `supported`.
pub const BLOOD_PRESSURE_FEATURE: BitNames = &[
    (0, "body_movement_detection"),
    (1, "cuff_fit_detection"),
    (2, "irregular_pulse_detection"),
    (3, "pulse_rate_range_detection"),
    (4, "measurement_position_detection"),
    (5, "multiple_bonds"),
    (6, "e2e_crc"),
    (7, "user_data_service"),
    (8, "user_facing_time"),
];

/// 2A18 `sensor_status.flags`.
pub const GLUCOSE_STATUS: BitNames = &[
    (0, "device_battery_low"),
    (1, "sensor_malfunction"),
    (2, "sample_insufficient"),
    (3, "strip_insertion_error"),
    (4, "strip_type_incorrect"),
    (5, "result_too_high"),
    (6, "result_too_low"),
    (7, "temperature_too_high"),
    (8, "temperature_too_low"),
    (9, "read_interrupted"),
    (10, "general_device_fault"),
    (11, "time_fault"),
];

/// 2A18/2AA8/2AAC `type`.
pub const SAMPLE_TYPE: CodeNames = &[
    (1, "capillary_whole_blood"),
    (2, "capillary_plasma"),
    (3, "venous_whole_blood"),
    (4, "venous_plasma"),
    (5, "arterial_whole_blood"),
    (6, "arterial_plasma"),
    (7, "undetermined_whole_blood"),
    (8, "undetermined_plasma"),
    (9, "interstitial_fluid"),
    (10, "control_solution"),
];

/// 2A18 `sample_location`.
pub const SAMPLE_LOCATION: CodeNames = &[
    (1, "finger"),
    (2, "alternate_site"),
    (3, "earlobe"),
    (4, "control_solution"),
    (15, "not_available"),
];

/// Sample location in the CGM service, which adds a place.
pub const CGM_SAMPLE_LOCATION: CodeNames = &[
    (1, "finger"),
    (2, "alternate_site"),
    (3, "earlobe"),
    (4, "control_solution"),
    (5, "subcutaneous_tissue"),
    (15, "not_available"),
];

/// 2A34 `carbohydrate_id`.
pub const CARBOHYDRATE: CodeNames = &[
    (1, "breakfast"),
    (2, "lunch"),
    (3, "dinner"),
    (4, "snack"),
    (5, "drink"),
    (6, "supper"),
    (7, "brunch"),
];

/// 2A34 `meal`.
pub const MEAL: CodeNames =
    &[(1, "preprandial"), (2, "postprandial"), (3, "fasting"), (4, "casual"), (5, "bedtime")];

/// 2A34 `tester`.
pub const TESTER: CodeNames =
    &[(1, "self"), (2, "health_care_professional"), (3, "lab_test"), (15, "not_available")];

/// 2A34 `health`.
pub const HEALTH: CodeNames = &[
    (1, "minor_health_issues"),
    (2, "major_health_issues"),
    (3, "during_menses"),
    (4, "under_stress"),
    (5, "no_health_issues"),
    (15, "not_available"),
];

/// 2A34 `medication_id`.
pub const MEDICATION: CodeNames = &[
    (1, "rapid_acting"),
    (2, "short_acting"),
    (3, "intermediate_acting"),
    (4, "long_acting"),
    (5, "premixed"),
];

/// 2A51 `supported`.
pub const GLUCOSE_FEATURE: BitNames = &[
    (0, "low_battery_detection"),
    (1, "sensor_malfunction_detection"),
    (2, "sample_size"),
    (3, "strip_insertion_error_detection"),
    (4, "strip_type_error_detection"),
    (5, "result_high_low_detection"),
    (6, "temperature_high_low_detection"),
    (7, "read_interrupt_detection"),
    (8, "general_device_fault"),
    (9, "time_fault"),
    (10, "multiple_bonds"),
];

/// 2A52 `op_name`.
pub const RACP_OP: CodeNames = &[
    (1, "report_stored_records"),
    (2, "delete_stored_records"),
    (3, "abort_operation"),
    (4, "report_number_of_stored_records"),
    (5, "number_of_stored_records_response"),
    (6, "response_code"),
    (7, "combined_report"),
    (8, "combined_report_response"),
];

/// 2A52 `operator_name`.
pub const RACP_OPERATOR: CodeNames = &[
    (0, "null"),
    (1, "all"),
    (2, "less_or_equal"),
    (3, "greater_or_equal"),
    (4, "within_range"),
    (5, "first"),
    (6, "last"),
];

/// 2A52 `response_name`.
pub const RACP_RESPONSE: CodeNames = &[
    (1, "success"),
    (2, "op_code_not_supported"),
    (3, "invalid_operator"),
    (4, "operator_not_supported"),
    (5, "invalid_operand"),
    (6, "no_records_found"),
    (7, "abort_unsuccessful"),
    (8, "procedure_not_completed"),
    (9, "operand_not_supported"),
    (10, "server_busy"),
];

/// 2A9E `supported`.
pub const WEIGHT_SCALE_FEATURE: BitNames = &[(0, "timestamp"), (1, "multiple_users"), (2, "bmi")];

/// 2A9B `supported`.
pub const BODY_COMPOSITION_FEATURE: BitNames = &[
    (0, "timestamp"),
    (1, "multiple_users"),
    (2, "basal_metabolism"),
    (3, "muscle_percentage"),
    (4, "muscle_mass"),
    (5, "fat_free_mass"),
    (6, "soft_lean_mass"),
    (7, "body_water_mass"),
    (8, "impedance"),
    (9, "weight"),
    (10, "height"),
];

/// 2A5E/2A5F/2A60 measurement status.
pub const PLX_MEASUREMENT_STATUS: BitNames = &[
    (5, "measurement_ongoing"),
    (6, "early_estimated_data"),
    (7, "validated_data"),
    (8, "fully_qualified_data"),
    (9, "data_from_measurement_storage"),
    (10, "data_for_demonstration"),
    (11, "data_for_testing"),
    (12, "calibration_ongoing"),
    (13, "measurement_unavailable"),
    (14, "questionable_measurement_detected"),
    (15, "invalid_measurement_detected"),
];

/// 2A5E/2A5F/2A60 device and sensor status.
pub const PLX_DEVICE_STATUS: BitNames = &[
    (0, "extended_display_update_ongoing"),
    (1, "equipment_malfunction_detected"),
    (2, "signal_processing_irregularity_detected"),
    (3, "inadequate_signal_detected"),
    (4, "poor_signal_detected"),
    (5, "low_perfusion_detected"),
    (6, "erratic_signal_detected"),
    (7, "nonpulsatile_signal_detected"),
    (8, "questionable_pulse_detected"),
    (9, "signal_analysis_ongoing"),
    (10, "sensor_interference_detected"),
    (11, "sensor_unconnected_to_user"),
    (12, "unknown_sensor_connected"),
    (13, "sensor_displaced"),
    (14, "sensor_malfunctioning"),
    (15, "sensor_disconnected"),
];

/// 2A60 `supported`.
pub const PLX_FEATURE: BitNames = &[
    (0, "measurement_status_support_present"),
    (1, "device_sensor_status_support_present"),
    (2, "measurement_storage"),
    (3, "timestamp"),
    (4, "spo2pr_fast"),
    (5, "spo2pr_slow"),
    (6, "pulse_amplitude_index"),
    (7, "multiple_bonds"),
];

/// 2A1C `temperature_type`, 2A1D.
pub const TEMPERATURE_TYPE: CodeNames = &[
    (1, "armpit"),
    (2, "body_general"),
    (3, "ear"),
    (4, "finger"),
    (5, "gastrointestinal_tract"),
    (6, "mouth"),
    (7, "rectum"),
    (8, "toe"),
    (9, "tympanum"),
];

/// 2AA7/2AA9 `status`.
pub const CGM_STATUS: BitNames = &[
    (0, "session_stopped"),
    (1, "device_battery_low"),
    (2, "sensor_type_incorrect"),
    (3, "sensor_malfunction"),
    (4, "device_specific_alert"),
    (5, "general_device_fault"),
];

/// 2AA7/2AA9 `cal_temp`.
pub const CGM_CAL_TEMP: BitNames = &[
    (0, "time_sync_required"),
    (1, "calibration_not_allowed"),
    (2, "calibration_recommended"),
    (3, "calibration_required"),
    (4, "temperature_too_high"),
    (5, "temperature_too_low"),
    (6, "calibration_process_pending"),
];

/// 2AA7/2AA9 `warning`.
pub const CGM_WARNING: BitNames = &[
    (0, "below_patient_low"),
    (1, "above_patient_high"),
    (2, "below_hypo"),
    (3, "above_hyper"),
    (4, "rate_of_decrease_exceeded"),
    (5, "rate_of_increase_exceeded"),
    (6, "result_below_device_range"),
    (7, "result_above_device_range"),
];

/// 2AA8 `supported`.
pub const CGM_FEATURE: BitNames = &[
    (0, "calibration"),
    (1, "patient_high_low_alerts"),
    (2, "hypo_alerts"),
    (3, "hyper_alerts"),
    (4, "rate_alerts"),
    (5, "device_specific_alert"),
    (6, "sensor_malfunction_detection"),
    (7, "temperature_high_low_detection"),
    (8, "result_high_low_detection"),
    (9, "low_battery_detection"),
    (10, "sensor_type_error_detection"),
    (11, "general_device_fault"),
    (12, "e2e_crc"),
    (13, "multiple_bonds"),
    (14, "multiple_sessions"),
    (15, "trend"),
    (16, "quality"),
];

/// 2AAC `op_name`.
pub const CGM_OP: CodeNames = &[
    (1, "set_communication_interval"),
    (2, "get_communication_interval"),
    (3, "communication_interval_response"),
    (4, "set_glucose_calibration"),
    (5, "get_glucose_calibration"),
    (6, "glucose_calibration_response"),
    (7, "set_patient_high"),
    (8, "get_patient_high"),
    (9, "patient_high_response"),
    (10, "set_patient_low"),
    (11, "get_patient_low"),
    (12, "patient_low_response"),
    (13, "set_hypo"),
    (14, "get_hypo"),
    (15, "hypo_response"),
    (16, "set_hyper"),
    (17, "get_hyper"),
    (18, "hyper_response"),
    (19, "set_rate_of_decrease"),
    (20, "get_rate_of_decrease"),
    (21, "rate_of_decrease_response"),
    (22, "set_rate_of_increase"),
    (23, "get_rate_of_increase"),
    (24, "rate_of_increase_response"),
    (25, "reset_device_specific_alert"),
    (26, "start_session"),
    (27, "stop_session"),
    (28, "response_code"),
];

/// 2AAC `response_name`.
pub const CGM_RESPONSE: CodeNames = &[
    (1, "success"),
    (2, "op_code_not_supported"),
    (3, "invalid_operand"),
    (4, "procedure_not_completed"),
    (5, "parameter_out_of_range"),
];

/// 2AAC `calibration_status`.
pub const CGM_CALIBRATION_STATUS: BitNames =
    &[(0, "rejected"), (1, "out_of_range"), (2, "process_pending")];

/// 2A9F `op_name`.
pub const UCP_OP: CodeNames = &[
    (1, "register_new_user"),
    (2, "consent"),
    (3, "delete_user_data"),
    (4, "list_all_users"),
    (5, "delete_users"),
    (32, "response_code"),
];

/// 2A9F `response_name`.
pub const UCP_RESPONSE: CodeNames = &[
    (1, "success"),
    (2, "op_code_not_supported"),
    (3, "invalid_parameter"),
    (4, "operation_failed"),
    (5, "user_not_authorized"),
];

/// 2A2B `adjust_reason`.
pub const ADJUST_REASON: BitNames =
    &[(0, "manual"), (1, "external_reference"), (2, "time_zone_change"), (3, "dst_change")];

/// 2A2B `day_of_week`.
pub const DAY_OF_WEEK: CodeNames = &[
    (0, "unknown"),
    (1, "monday"),
    (2, "tuesday"),
    (3, "wednesday"),
    (4, "thursday"),
    (5, "friday"),
    (6, "saturday"),
    (7, "sunday"),
];

/// 2A38 body sensor location (`bluetooth-profiles` 12).
pub const BODY_LOCATION: CodeNames = &[
    (0, "other"),
    (1, "chest"),
    (2, "wrist"),
    (3, "finger"),
    (4, "hand"),
    (5, "ear_lobe"),
    (6, "foot"),
];

/// 2A14 time source (`bluetooth-profiles` 13.1).
pub const TIME_SOURCE: CodeNames = &[
    (0, "unknown"),
    (1, "network_time_protocol"),
    (2, "gps"),
    (3, "radio_time_signal"),
    (4, "manual"),
    (5, "atomic_clock"),
    (6, "cellular_network"),
    (7, "not_synchronized"),
];
