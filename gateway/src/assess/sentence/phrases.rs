//! The words of each language. Placeholders in braces are filled by `sentence::value`.

use hearth_shared::assess::trend::Direction;

use super::Subject;

/// What a language calls one subject.
struct Names {
    /// "the median of fasting glucose".
    median_of: &'static str,
    /// "fasting glucose", after "measured days of".
    values_of: &'static str,
    /// "your fasting glucose".
    your: &'static str,
}

/// The phrases of one language.
#[allow(missing_docs)]
pub(super) struct Phrases {
    pub(super) decimal: &'static str,
    pub(super) at_target: &'static str,
    pub(super) at_target_without_base: &'static str,
    pub(super) worsening: &'static str,
    pub(super) not_improving: &'static str,
    pub(super) improving: &'static str,
    pub(super) improving_by_trend: &'static str,
    pub(super) too_few: &'static str,
    pub(super) stale: &'static str,
    pub(super) no_baseline: &'static str,
    pub(super) too_noisy: &'static str,
    pub(super) borderline: &'static str,
    pub(super) short_at_target: &'static str,
    pub(super) short_improving: &'static str,
    pub(super) short_not_improving: &'static str,
    pub(super) short_too_few: &'static str,
    pub(super) short_stale: &'static str,
    pub(super) short_no_baseline: &'static str,
    pub(super) short_too_noisy: &'static str,
    pub(super) short_borderline: &'static str,
    pub(super) last_on: &'static str,
    pub(super) none_yet: &'static str,
    pub(super) to: &'static str,
    pub(super) at_least: &'static str,
    pub(super) at_most: &'static str,
    pub(super) percent_below: &'static str,
    pub(super) percent_above: &'static str,
    /// "a fall of", "a rise of".
    better: [&'static str; 2],
    /// The recent median lies beyond the far end: below when lower is better, above otherwise.
    overshoot: [&'static str; 2],
    /// One, and several: "1 measured day", "{} measured days".
    measured_day: [&'static str; 2],
    /// "the last {} days", "the last {} weeks", and the two for one: days, week.
    windows: [&'static str; 4],
    /// "{} days", "{} weeks", "1 day", "1 week".
    periods: [&'static str; 4],
    /// In the order of `Subject::ALL`.
    names: [Names; 7],
}

const fn by(dir: Direction) -> usize {
    match dir {
        Direction::Down => 0,
        Direction::Up => 1,
    }
}

fn counted(forms: &[&str; 4], days: i64) -> String {
    let (form, count) = match days {
        1 => (forms[2], 1),
        7 => (forms[3], 1),
        _ if days % 7 == 0 => (forms[1], days / 7),
        _ => (forms[0], days),
    };
    form.replace("{}", &count.to_string())
}

impl Phrases {
    pub(super) fn median_of(&self, subject: Subject) -> &'static str {
        self.names[subject as usize].median_of
    }
    pub(super) fn values_of(&self, subject: Subject) -> &'static str {
        self.names[subject as usize].values_of
    }
    pub(super) fn your(&self, subject: Subject) -> &'static str {
        self.names[subject as usize].your
    }
    pub(super) fn better(&self, dir: Direction) -> &'static str {
        self.better[by(dir)]
    }
    pub(super) fn overshoot(&self, dir: Direction) -> &'static str {
        self.overshoot[by(dir)]
    }
    pub(super) fn measured_days(&self, days: i64) -> String {
        self.measured_day[usize::from(days != 1)].replace("{}", &days.to_string())
    }
    pub(super) fn window(&self, days: i64) -> String {
        counted(&self.windows, days)
    }
    pub(super) fn period(&self, days: i64) -> String {
        counted(&self.periods, days)
    }
}

const fn names(median_of: &'static str, values_of: &'static str, your: &'static str) -> Names {
    Names { median_of, values_of, your }
}

pub(super) const ENGLISH: Phrases = Phrases {
    decimal: ".",
    at_target: "At target: {median_of} on {n} in {window} is {med}, against {base} at the start \
                (target {target}; {rule}).",
    at_target_without_base: "At target: {median_of} on {n} in {window} is {med} \
                             (target {target}; {rule}).",
    worsening: "Getting worse: {median_of} on {n} in {window} is {med}, against {base} at the \
                start, a change of {change} ({lo} to {hi}), where {mid} already counts \
                (target {target}{overshoot}; {rule}).",
    not_improving: "Not improving: {median_of} on {n} in {window} is {med}, against {base} at the \
                    start, a change of {change} ({lo} to {hi}); only {better} {mid} counts as \
                    better (target {target}{overshoot}; {rule}).",
    improving: "Improving: {median_of} on {n} in {window} is {med}, against {base} at the start, \
                a change of {change} ({lo} to {hi}); {better} {mid} counts as better \
                (target {target}{overshoot}; {rule}).",
    improving_by_trend: "Improving: {median_of} on {n} in {window} is {med}, against {base} at \
                         the start, a change of {change} ({lo} to {hi}), and the trend comes to \
                         {trend} in {horizon}; {better} {mid} counts as better \
                         (target {target}{overshoot}; {rule}).",
    too_few: "Cannot tell, too few values: {n} of {values_of} in {window}, {recent_min} are \
              needed, {last} ({rule}).",
    stale: "Cannot tell, nothing recent: fewer than {fresh_min} measured days of {values_of} in \
            {fresh}, {last} ({rule}).",
    no_baseline: "Cannot tell, no baseline: {n_base} of {values_of} around the start on {start}, \
                  {base_min} are needed; the recent median is {med} ({rule}).",
    too_noisy: "Cannot tell, the values vary too much: {median_of} on {n} in {window} is {med}, \
                against {base} at the start, but the change may be anything from {lo} to {hi}, \
                and {better} {mid} would count ({rule}).",
    borderline: "Cannot tell yet, the change is close to the limit: {median_of} on {n} in \
                 {window} is {med}, against {base} at the start, a change of {change} \
                 ({lo} to {hi}), and {better} {mid} would count ({rule}).",
    short_at_target: "{your} is where we want it: about {med}.",
    short_improving: "{your} is getting better: about {med} now, {base} at the start.",
    short_not_improving: "{your} is about {med} now. At the start it was about {base}.",
    short_too_few: "We have {count} of {recent_min} days of {your} that we need.",
    short_stale: "The last value of {your} is from {last_date}.",
    short_no_baseline: "From the start we have {base_count} of {base_min} days of {your}.",
    short_too_noisy: "{your} goes up and down a lot.",
    short_borderline: "{your} is about {med} now, and it is changing a little.",
    last_on: "the last one on {}",
    none_yet: "and there are none yet",
    to: "to",
    at_least: "at least",
    at_most: "at most",
    percent_below: "{} % below the start",
    percent_above: "{} % above the start",
    better: ["a fall of", "a rise of"],
    overshoot: [", which the median now lies below", ", which the median now lies above"],
    measured_day: ["1 measured day", "{} measured days"],
    windows: ["the last {} days", "the last {} weeks", "the last day", "the last week"],
    periods: ["{} days", "{} weeks", "1 day", "1 week"],
    names: [
        names("the median of fasting glucose", "fasting glucose", "your fasting glucose"),
        names("the median of glucose", "glucose", "your glucose"),
        names("the median of sensor glucose", "sensor glucose", "your sensor glucose"),
        names("the median of time in range", "time in range", "your time in range"),
        names("the median of systolic pressure", "systolic pressure", "your upper blood pressure"),
        names(
            "the median of diastolic pressure",
            "diastolic pressure",
            "your lower blood pressure",
        ),
        names("the median of weight", "weight", "your weight"),
    ],
};

pub(super) const GERMAN: Phrases = Phrases {
    decimal: ",",
    at_target: "Im Zielbereich: {median_of} an {n} in {window} ist {med}, am Anfang {base} \
                (Ziel {target}; {rule}).",
    at_target_without_base: "Im Zielbereich: {median_of} an {n} in {window} ist {med} \
                             (Ziel {target}; {rule}).",
    worsening: "Verschlechterung: {median_of} an {n} in {window} ist {med}, am Anfang {base}, \
                eine Änderung um {change} ({lo} bis {hi}), wobei schon {mid} zählt \
                (Ziel {target}{overshoot}; {rule}).",
    not_improving: "Keine Besserung: {median_of} an {n} in {window} ist {med}, am Anfang {base}, \
                    eine Änderung um {change} ({lo} bis {hi}); als Besserung zählt erst {better} \
                    {mid} (Ziel {target}{overshoot}; {rule}).",
    improving: "Besserung: {median_of} an {n} in {window} ist {med}, am Anfang {base}, eine \
                Änderung um {change} ({lo} bis {hi}); als Besserung zählt {better} {mid} \
                (Ziel {target}{overshoot}; {rule}).",
    improving_by_trend: "Besserung: {median_of} an {n} in {window} ist {med}, am Anfang {base}, \
                         eine Änderung um {change} ({lo} bis {hi}), und der Trend ergibt {trend} \
                         in {horizon}; als Besserung zählt {better} {mid} \
                         (Ziel {target}{overshoot}; {rule}).",
    too_few: "Nicht zu beurteilen, zu wenige Werte {values_of}: an {n} in {window}, nötig sind \
              {recent_min}, {last} ({rule}).",
    stale: "Nicht zu beurteilen, nichts Neues: weniger als {fresh_min} Messtage {values_of} in \
            {fresh}, {last} ({rule}).",
    no_baseline: "Nicht zu beurteilen, kein Ausgangswert {values_of}: an {n_base} um den Beginn \
                  am {start}, nötig sind {base_min}; der jetzige Median ist {med} ({rule}).",
    too_noisy: "Nicht zu beurteilen, die Werte schwanken zu stark: {median_of} an {n} in {window} \
                ist {med}, am Anfang {base}, aber die Änderung kann zwischen {lo} und {hi} \
                liegen, und {better} {mid} würde zählen ({rule}).",
    borderline: "Noch nicht zu beurteilen, die Änderung liegt nahe an der Grenze: {median_of} an \
                 {n} in {window} ist {med}, am Anfang {base}, eine Änderung um {change} \
                 ({lo} bis {hi}), und {better} {mid} würde zählen ({rule}).",
    short_at_target: "{your} liegt im Ziel: etwa {med}.",
    short_improving: "{your} wird besser: jetzt etwa {med}, am Anfang {base}.",
    short_not_improving: "{your} liegt jetzt bei etwa {med}. Am Anfang war es etwa {base}.",
    short_too_few: "{your}: Wir haben {count} von {recent_min} Messtagen, die wir brauchen.",
    short_stale: "{your}: Der letzte Wert ist vom {last_date}.",
    short_no_baseline: "{your}: Vom Anfang haben wir {base_count} von {base_min} Messtagen.",
    short_too_noisy: "{your} schwankt sehr.",
    short_borderline: "{your} liegt jetzt bei etwa {med} und ändert sich ein wenig.",
    last_on: "zuletzt am {}",
    none_yet: "und es gibt noch keine",
    to: "bis",
    at_least: "mindestens",
    at_most: "höchstens",
    percent_below: "{} % unter dem Anfang",
    percent_above: "{} % über dem Anfang",
    better: ["ein Rückgang um", "ein Anstieg um"],
    overshoot: [", das der Median jetzt unterschreitet", ", das der Median jetzt überschreitet"],
    measured_day: ["1 Messtag", "{} Messtagen"],
    windows: [
        "den letzten {} Tagen",
        "den letzten {} Wochen",
        "dem letzten Tag",
        "der letzten Woche",
    ],
    periods: ["{} Tagen", "{} Wochen", "1 Tag", "1 Woche"],
    names: [
        names("der Median des Nüchternzuckers", "des Nüchternzuckers", "Ihr Nüchternzucker"),
        names("der Median des Blutzuckers", "des Blutzuckers", "Ihr Blutzucker"),
        names("der Median des Sensorzuckers", "des Sensorzuckers", "Ihr Sensorzucker"),
        names(
            "der Median der Zeit im Zielbereich",
            "der Zeit im Zielbereich",
            "Ihre Zeit im Zielbereich",
        ),
        names(
            "der Median des systolischen Blutdrucks",
            "des systolischen Blutdrucks",
            "Ihr oberer Blutdruck",
        ),
        names(
            "der Median des diastolischen Blutdrucks",
            "des diastolischen Blutdrucks",
            "Ihr unterer Blutdruck",
        ),
        names("der Median des Gewichts", "des Gewichts", "Ihr Gewicht"),
    ],
};

pub(super) const SPANISH: Phrases = Phrases {
    decimal: ",",
    at_target: "En el objetivo: {median_of} en {n} durante {window} es {med}, frente a {base} al \
                inicio (objetivo {target}; {rule}).",
    at_target_without_base: "En el objetivo: {median_of} en {n} durante {window} es {med} \
                             (objetivo {target}; {rule}).",
    worsening: "Empeora: {median_of} en {n} durante {window} es {med}, frente a {base} al inicio, \
                un cambio de {change} ({lo} a {hi}), cuando {mid} ya cuenta \
                (objetivo {target}{overshoot}; {rule}).",
    not_improving: "Sin mejoría: {median_of} en {n} durante {window} es {med}, frente a {base} al \
                    inicio, un cambio de {change} ({lo} a {hi}); solo {better} {mid} cuenta como \
                    mejoría (objetivo {target}{overshoot}; {rule}).",
    improving: "Mejora: {median_of} en {n} durante {window} es {med}, frente a {base} al inicio, \
                un cambio de {change} ({lo} a {hi}); {better} {mid} cuenta como mejoría \
                (objetivo {target}{overshoot}; {rule}).",
    improving_by_trend: "Mejora: {median_of} en {n} durante {window} es {med}, frente a {base} al \
                         inicio, un cambio de {change} ({lo} a {hi}), y la tendencia es de \
                         {trend} en {horizon}; {better} {mid} cuenta como mejoría \
                         (objetivo {target}{overshoot}; {rule}).",
    too_few: "No se puede valorar, faltan valores: {n} de {values_of} en {window}, hacen falta \
              {recent_min}, {last} ({rule}).",
    stale: "No se puede valorar, nada reciente: menos de {fresh_min} días medidos de {values_of} \
            en {fresh}, {last} ({rule}).",
    no_baseline: "No se puede valorar, sin valor de partida: {n_base} de {values_of} en torno al \
                  inicio el {start}, hacen falta {base_min}; la mediana actual es {med} ({rule}).",
    too_noisy: "No se puede valorar, los valores varían demasiado: {median_of} en {n} durante \
                {window} es {med}, frente a {base} al inicio, pero el cambio puede estar entre \
                {lo} y {hi}, y {better} {mid} contaría ({rule}).",
    borderline: "Aún no se puede valorar, el cambio está cerca del límite: {median_of} en {n} \
                 durante {window} es {med}, frente a {base} al inicio, un cambio de {change} \
                 ({lo} a {hi}), y {better} {mid} contaría ({rule}).",
    short_at_target: "{your} está donde queremos: unos {med}.",
    short_improving: "{your} mejora: ahora unos {med}, al inicio {base}.",
    short_not_improving: "{your} está ahora en unos {med}. Al inicio estaba en unos {base}.",
    short_too_few: "De {your} tenemos {count} de los {recent_min} días que necesitamos.",
    short_stale: "El último valor de {your} es del {last_date}.",
    short_no_baseline: "Del inicio tenemos {base_count} de {base_min} días de {your}.",
    short_too_noisy: "{your} sube y baja mucho.",
    short_borderline: "{your} está ahora en unos {med} y cambia un poco.",
    last_on: "el último el {}",
    none_yet: "y aún no hay ninguno",
    to: "a",
    at_least: "al menos",
    at_most: "como máximo",
    percent_below: "{} % por debajo del inicio",
    percent_above: "{} % por encima del inicio",
    better: ["una bajada de", "una subida de"],
    overshoot: [", y la mediana ya está por debajo", ", y la mediana ya está por encima"],
    measured_day: ["1 día medido", "{} días medidos"],
    windows: ["los últimos {} días", "las últimas {} semanas", "el último día", "la última semana"],
    periods: ["{} días", "{} semanas", "1 día", "1 semana"],
    names: [
        names("la mediana de la glucosa en ayunas", "glucosa en ayunas", "su glucosa en ayunas"),
        names("la mediana de la glucosa", "glucosa", "su glucosa"),
        names("la mediana de la glucosa del sensor", "glucosa del sensor", "su glucosa del sensor"),
        names("la mediana del tiempo en rango", "tiempo en rango", "su tiempo en rango"),
        names("la mediana de la tensión sistólica", "tensión sistólica", "su tensión alta"),
        names("la mediana de la tensión diastólica", "tensión diastólica", "su tensión baja"),
        names("la mediana del peso", "peso", "su peso"),
    ],
};
