//! The hub's own words. Prompts come worded from the gateway; these are for when there is none.
//!
//! Each text fits its screen in each language: a test measures it. Hebrew stands in reading order here and
//! is turned when it is drawn.

use hearth_shared::assess::alerts::Quantity;

/// The words of one language.
pub struct Words {
    /// Two letters of ISO 639-1.
    pub language: [u8; 2],
    /// Words run from right to left, and are turned when drawn.
    pub right_to_left: bool,
    /// Between units and tenths.
    pub decimal_mark: char,
    /// The program starts.
    pub starting: &'static str,
    /// First power-on: connect the gateway.
    pub first: &'static str,
    /// The pairing window was opened again.
    pub pairing: &'static str,
    /// Above the six digits.
    pub compare: &'static str,
    /// A gateway answers.
    pub connected: &'static str,
    /// No gateway answers; a time may follow.
    pub no_link: &'static str,
    /// No gateway has answered since the start.
    pub never_linked: &'static str,
    /// A press was kept.
    pub thanks: &'static str,
    /// A press could not be kept.
    pub not_kept: &'static str,
    /// A call for help was kept, and the gateway is connected.
    pub help_sent: &'static str,
    /// A call for help was kept, and no gateway answers.
    pub help_kept: &'static str,
    /// A new program is being installed.
    pub update: &'static str,
    /// The flash does not answer.
    pub fault: &'static str,
    /// No reading yet.
    pub no_reading: &'static str,
    /// The value lies within the limits.
    pub as_expected: &'static str,
    /// An alert says more.
    pub look: &'static str,
    /// A critical alert, after the name of the quantity.
    pub critical: &'static str,
    /// An urgent or advisory alert.
    pub urgent: &'static str,
    /// Please measure again.
    pub again: &'static str,
    /// The alert is over.
    pub all_clear: &'static str,
    /// Beside the first button.
    pub done: &'static str,
    /// Beside a button that calls for help.
    pub help: &'static str,
    /// Glucose, continuous glucose, pressure, pulse, weight, saturation, temperature.
    pub quantities: [&'static str; 7],
}

impl Words {
    /// The words of a language; English for one that is not here.
    pub fn of(language: [u8; 2]) -> &'static Self {
        ALL.iter().find(|words| words.language == language).unwrap_or(&ENGLISH)
    }

    /// What a quantity is called.
    pub fn quantity(&self, quantity: Quantity) -> &'static str {
        let place = Quantity::ALL.iter().position(|known| *known == quantity);
        place.and_then(|place| self.quantities.get(place)).copied().unwrap_or("")
    }
}

/// Every language that the hub speaks by itself.
pub static ALL: [Words; 4] = [ENGLISH, GERMAN, SPANISH, HEBREW];

const ENGLISH: Words = Words {
    language: *b"en",
    right_to_left: false,
    decimal_mark: '.',
    starting: "One moment please.",
    first: "Hello! Please connect me to your gateway.",
    pairing: "Ready to be connected to a gateway.",
    compare: "Same number?",
    connected: "Connected",
    no_link: "No link since",
    never_linked: "Not connected",
    thanks: "Thank you!",
    not_kept: "That did not work. Please press again.",
    help_sent: "Passed on. In an emergency phone for help.",
    help_kept: "No link! Please phone for help.",
    update: "Being updated. Please leave me plugged in.",
    fault: "I need repair. Please call your care team.",
    no_reading: "No reading yet.",
    as_expected: "As expected",
    look: "Please look",
    critical: "Please call your care team now. If you feel very unwell, call the emergency number.",
    urgent: "Please call your care team today.",
    again: "Please measure again.",
    all_clear: "Back to usual. Well done.",
    done: "Understood",
    help: "Help",
    quantities: [
        "Glucose:",
        "Glucose:",
        "Blood pressure:",
        "Pulse:",
        "Weight:",
        "Oxygen:",
        "Temperature:",
    ],
};

const GERMAN: Words = Words {
    language: *b"de",
    right_to_left: false,
    decimal_mark: ',',
    starting: "Einen Moment bitte.",
    first: "Guten Tag! Bitte verbinden Sie mich mit dem Gateway.",
    pairing: "Bereit zum Verbinden mit einem Gateway.",
    compare: "Gleiche Zahl?",
    connected: "Verbunden",
    no_link: "Getrennt seit",
    never_linked: "Nicht verbunden",
    thanks: "Danke!",
    not_kept: "Das ging nicht. Bitte noch einmal drücken.",
    help_sent: "Weitergegeben. Im Notfall den Notruf wählen.",
    help_kept: "Keine Leitung! Bitte selbst anrufen.",
    update: "Wird erneuert. Bitte nicht ausstecken.",
    fault: "Gerät defekt. Bitte rufen Sie Ihr Team an.",
    no_reading: "Noch kein Messwert.",
    as_expected: "Wie erwartet",
    look: "Achtung",
    critical: "Bitte rufen Sie jetzt Ihr Team an. Wenn es Ihnen sehr schlecht geht, den Notruf.",
    urgent: "Bitte rufen Sie heute Ihr Team an.",
    again: "Bitte noch einmal messen.",
    all_clear: "Wieder wie gewohnt. Gut gemacht.",
    done: "Verstanden",
    help: "Hilfe",
    quantities: [
        "Blutzucker:",
        "Blutzucker:",
        "Blutdruck:",
        "Puls:",
        "Gewicht:",
        "Sauerstoff:",
        "Temperatur:",
    ],
};

const SPANISH: Words = Words {
    language: *b"es",
    right_to_left: false,
    decimal_mark: ',',
    starting: "Un momento, por favor.",
    first: "¡Hola! Por favor, conécteme a la central.",
    pairing: "Listo para conectar con la central.",
    compare: "¿Es igual?",
    connected: "Conectado",
    no_link: "Sin enlace desde",
    never_linked: "Sin conexión",
    thanks: "¡Gracias!",
    not_kept: "No ha funcionado. Pulse otra vez, por favor.",
    help_sent: "Avisado. En una urgencia llame a emergencias.",
    help_kept: "¡Sin conexión! Llame por teléfono.",
    update: "Actualizando. No me desenchufe.",
    fault: "Aparato averiado. Llame a su equipo, por favor.",
    no_reading: "Aún no hay medidas.",
    as_expected: "Normal",
    look: "Atención",
    critical: "Llame ahora a su equipo médico. Si se siente muy mal, llame a emergencias.",
    urgent: "Llame hoy a su equipo médico.",
    again: "Mida otra vez, por favor.",
    all_clear: "Todo como siempre. Muy bien.",
    done: "Entendido",
    help: "Ayuda",
    quantities: ["Glucosa:", "Glucosa:", "Tensión:", "Pulso:", "Peso:", "Oxígeno:", "Temperatura:"],
};

const HEBREW: Words = Words {
    language: *b"he",
    right_to_left: true,
    decimal_mark: '.',
    starting: "רק רגע בבקשה.",
    first: "שלום! נא לחבר אותי ליחידה הביתית.",
    pairing: "מוכן לחיבור ליחידה הביתית.",
    compare: "אותו מספר?",
    connected: "מחובר",
    no_link: "אין קשר מאז",
    never_linked: "לא מחובר",
    thanks: "תודה!",
    not_kept: "זה לא נקלט. נא ללחוץ שוב.",
    help_sent: "הועבר. בחירום יש לחייג למוקד החירום.",
    help_kept: "אין קשר! נא לטלפן לעזרה.",
    update: "מתבצע עדכון. נא לא לנתק מהחשמל.",
    fault: "המכשיר תקול. נא להתקשר לצוות.",
    no_reading: "אין עדיין מדידה.",
    as_expected: "כצפוי",
    look: "נא לשים לב",
    critical: "נא להתקשר עכשיו לצוות המטפל. אם ההרגשה רעה מאוד, לחייג למוקד החירום.",
    urgent: "נא להתקשר היום לצוות המטפל.",
    again: "נא למדוד שוב.",
    all_clear: "הכול חזר לרגיל. כל הכבוד.",
    done: "הבנתי",
    help: "עזרה",
    quantities: ["סוכר:", "סוכר:", "לחץ דם:", "דופק:", "משקל:", "חמצן:", "חום:"],
};
