//! Which programme watches what, and which windows and targets it draws.

use hearth_shared::observation::Quantity;
use serde_json::Value;

use crate::assess::series::Selection;
use crate::programme::plan::{PlanSpec, SummaryKind};
use crate::programme::{Library, Programme, ProgrammeSeries};

use super::gather::Frame;
use super::run::RunError;
use super::settings::{Options, Plan};

/// The programmes a replay may use.
#[derive(Clone, Debug)]
pub struct Plans {
    library: Library,
    named: Option<String>,
}

impl Plans {
    /// The built-in programmes and the one that was named; parameters given with `--set` are tried.
    ///
    /// # Errors
    /// The programme is not known, its file has problems, or a parameter is wrong.
    pub fn load(options: &Options) -> Result<Self, RunError> {
        let mut library = Library::built_in();
        let named = match &options.plan {
            None => None,
            Some(Plan::Id(id)) => {
                if library.get(id).is_none() {
                    let known: Vec<&str> = library.iter().map(|p| p.id.as_str()).collect();
                    let near = crate::checked_toml::nearest(id, known.iter().copied());
                    let hint = near.map_or(String::new(), |n| format!("; did you mean {n}?"));
                    return Err(RunError::Plan(format!(
                        "There is no programme {id}{hint} (known: {}; a file is given by its path)",
                        known.join(", ")
                    )));
                }
                Some(id.clone())
            }
            Some(Plan::File(path)) => {
                let programme =
                    Programme::load(path).map_err(|error| RunError::Plan(error.to_string()))?;
                let id = programme.id.clone();
                library.insert(programme);
                Some(id)
            }
        };
        let plans = Self { library, named };
        for programme in plans.library.iter() {
            if plans.named.as_ref().is_none_or(|id| *id == programme.id) {
                for series in &programme.series {
                    spec(series, &options.set)?.build(0).map_err(|error| {
                        RunError::Plan(format!("{} with --set: {error}", programme.id))
                    })?;
                }
            }
        }
        Ok(plans)
    }

    /// The programmes known here.
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// The programmes as a path takes them.
    pub(super) fn shared(&self) -> std::sync::Arc<Library> {
        std::sync::Arc::new(self.library.clone())
    }

    /// The programme that was asked for.
    pub fn named(&self) -> Option<&Programme> {
        self.named.as_ref().and_then(|id| self.library.get(id))
    }

    /// The built-in programme with this id.
    ///
    /// # Errors
    /// It is missing: a bug.
    pub fn get(&self, id: &str) -> Result<&Programme, RunError> {
        let missing = || RunError::Plan(format!("The programme {id} is missing."));
        self.library.get(id).ok_or_else(missing)
    }

    /// What a drawing of this plan needs to know.
    pub(super) fn frame(
        &self,
        programme: &Programme,
        plan: String,
        start_day: i32,
        options: &Options,
    ) -> Result<Frame, RunError> {
        let missing = || RunError::Plan(format!("{} watches nothing.", programme.id));
        let first = programme.series.first().ok_or_else(missing)?;
        let main = spec(first, &options.set)?;
        let second = match programme.series.get(1) {
            Some(series) => spec(series, &options.set)?.target,
            None => PlanSpec::default().target,
        };
        let small = |n: i64| i32::try_from(n).unwrap_or(i32::MAX / 4);
        // Time in range is a target on values, not on the per mille of the day.
        let target = match main.summary {
            SummaryKind::Tir => (Some(main.tir.lo), Some(main.tir.hi)),
            SummaryKind::Median => (main.target.lo, main.target.hi),
        };
        let pressure = first.quantity.quantity() == Quantity::BloodPressure;
        Ok(Frame {
            plan,
            programme: programme.id.clone(),
            quantity: first.quantity.quantity(),
            start_day,
            horizon: small(main.horizon),
            base: (small(main.base_before), small(main.base_after)),
            recent: small(main.recent),
            target,
            target_second: if pressure { (second.lo, second.hi) } else { (None, None) },
            context: main.ctx,
            window: main.tod.map(|[from, to]| (from, to)),
            day_start: main.day_start,
            per_day: match main.summary {
                SummaryKind::Tir => usize::MAX,
                SummaryKind::Median => usize::try_from(main.k_per_day).unwrap_or(8),
            },
        })
    }
}

/// What to tell people about days whose slots are suited to the sensor; `None` where the
/// programme's own slots fit.
pub(super) fn suited_slots(programme: &Programme, spacing_s: Option<i64>) -> Option<String> {
    let (_, Selection { summary, .. }) = programme.series.first()?.plan.build(0).ok()?;
    (summary.suited_to(spacing_s) != summary).then(|| {
        "The sensor gives a value every 15 minutes: a day counts with 68 of its 96 quarter hours."
            .to_owned()
    })
}

/// The parameters of a series with those of `--set` in their place.
fn spec(
    series: &ProgrammeSeries,
    set: &serde_json::Map<String, Value>,
) -> Result<PlanSpec, RunError> {
    if set.is_empty() {
        return Ok(series.plan.clone());
    }
    let wrong = |error: serde_json::Error| RunError::Plan(format!("--set: {error}"));
    let mut fields = serde_json::to_value(&series.plan).map_err(wrong)?;
    if let Some(fields) = fields.as_object_mut() {
        fields.extend(set.clone());
    }
    serde_json::from_value(fields).map_err(wrong)
}
