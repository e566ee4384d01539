//! Limits of a patient: read, checked, and explained when something is wrong with them.

use std::collections::BTreeMap;

use hearth_shared::assess::alerts::{Limits, LimitsError, RuleId};
use serde_json::{Map, Value};

use super::{Failure, invalid};
use crate::control::command::nearest;

/// Puts the given rules over those already kept; what is not named stays.
pub(super) fn merge(
    kept: &Map<String, Value>,
    given: &BTreeMap<String, Value>,
) -> Result<Map<String, Value>, Failure> {
    let mut limits = kept.clone();
    for (rule, values) in given {
        if RuleId::parse(rule).is_none() {
            let known = RuleId::ALL.iter().map(|rule| rule.as_str());
            let hint = match nearest(rule, known.clone()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("the rules are {}.", known.collect::<Vec<_>>().join(", ")),
            };
            return Err(invalid(format!("There is no rule {rule}; {hint}")));
        }
        if let Some(sentence) = wrong_unit(rule, values) {
            return Err(invalid(sentence));
        }
        limits.insert(rule.clone(), values.clone());
    }
    let read: Limits = serde_json::from_value(Value::Object(limits.clone()))
        .map_err(|error| invalid(format!("The limits cannot be read: {error}.")))?;
    read.validate().map_err(|error| invalid(explain(error, &read)))?;
    Ok(limits)
}

/// Numbers that look as if they were meant in another unit than the rules'.
fn wrong_unit(rule: &str, values: &Value) -> Option<String> {
    let (name, number) = values.as_object()?.iter().find_map(|(name, value)| {
        let number = value.as_f64()?;
        let low = match rule.as_bytes().first()? {
            b'G' => number < 34.0,
            b'P' => number < 30.0,
            b'T' => number < 120.0,
            b'W' | b'H' | b'O' => false,
            _ => false,
        };
        (low || number.fract() != 0.0).then_some((name, number))
    })?;
    let meant = match rule.as_bytes().first()? {
        b'G' => format!(
            "glucose limits are whole mg/dL; {number} looks like mmol/L and would be {:.0} mg/dL",
            number * 18.0156
        ),
        b'P' => format!(
            "pressure limits are whole mmHg; {number} looks like kPa and would be {:.0} mmHg",
            number * 7.500_6
        ),
        b'T' => format!(
            "temperature limits are in 0.1 degC; {number} would be written {:.0}",
            number * 10.0
        ),
        b'W' => {
            format!("weight limits are in 10 g; {number} kg would be written {:.0}", number * 100.0)
        }
        _ => format!("limits are whole numbers; {number} is none"),
    };
    Some(format!("Rule {rule}, {name}: {meant}."))
}

fn explain(error: LimitsError, limits: &Limits) -> String {
    let text = |rule: RuleId| {
        let all = serde_json::to_value(limits).unwrap_or_default();
        all.get(rule.as_str()).map(Value::to_string).unwrap_or_default()
    };
    match error {
        LimitsError::Range(rule) => format!(
            "Rule {}: a limit lies outside what can be measured ({}).",
            rule.as_str(),
            text(rule)
        ),
        LimitsError::Rearm(rule) => format!(
            "Rule {}: the value at which it ends lies on the wrong side of its limit ({}); are the two \
             swapped?",
            rule.as_str(),
            text(rule)
        ),
        LimitsError::Order { worse, lesser } => format!(
            "Rules {} and {} are swapped: the worse one would be met later than the lesser one ({} and {}).",
            worse.as_str(),
            lesser.as_str(),
            text(worse),
            text(lesser)
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn check(limits: &str, part: &str) {
        let given: BTreeMap<String, Value> = serde_json::from_str(limits).unwrap();
        match merge(&Map::new(), &given) {
            Err(Failure::Refused(refused)) => {
                assert!(refused.sentence.contains(part), "{}", refused.sentence);
            }
            Err(Failure::Store(error)) => panic!("{error}"),
            Ok(limits) => panic!("{limits:?} was taken"),
        }
    }

    #[test]
    fn limits_in_another_unit_or_swapped_are_refused_with_a_sentence() {
        check(r#"{"G1":{"lo":3.0}}"#, "looks like mmol/L and would be 54 mg/dL");
        check(r#"{"G3":{"hi":22}}"#, "would be 396 mg/dL");
        check(r#"{"T1":{"ge":38}}"#, "would be written 380");
        check(r#"{"P1":{"sys":24}}"#, "would be 180 mmHg");
        check(r#"{"W1":{"gain":1.36}}"#, "would be written 136");
        check(r#"{"G1":{"lo":70,"rearm":54}}"#, "swapped");
        check(r#"{"G1":{"lo":75,"rearm":80}}"#, "Rules G1 and G2 are swapped");
        check(r#"{"P1":{"sys":300}}"#, "outside what can be measured");
        check(r#"{"G9":{}}"#, "There is no rule G9");
        check(r#"{"G1":{"low":60}}"#, "unknown field");
    }

    #[test]
    fn a_rule_is_switched_off_and_others_stay() {
        let kept: Map<String, Value> = serde_json::from_str(r#"{"G1":{"lo":60}}"#).unwrap();
        let given: BTreeMap<String, Value> = serde_json::from_str(r#"{"G5":null}"#).unwrap();
        let Ok(limits) = merge(&kept, &given) else { panic!("refused") };
        assert_eq!(Value::Object(limits).to_string(), r#"{"G1":{"lo":60},"G5":null}"#);
    }
}
