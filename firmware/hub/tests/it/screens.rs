//! Every screen in every language of the hub: drawn, measured, and put where it can be looked at.

use super::picture::{Picture, sheet};
use hearth_hub::screen::text::{Text, lines, widest};
use hearth_hub::screen::words::{ALL, Words};
use hearth_hub::screen::{
    Linked, Offered, PROMPT_WIDTH, ROWS, Shown, View, WIDTH, draw, pages, sign,
};
use hearth_shared::wire::Choice;

fn drawn(view: &View<'_>, words: &Words) -> Picture {
    let mut picture = Picture::new();
    draw(view, words, &mut picture).unwrap();
    picture
}

/// What a gateway would send: text and answers in a language, turned where it has to be.
fn sent(words: &Words) -> (&'static str, [&'static str; 3], [&'static str; 3]) {
    match &words.language {
        b"de" => (
            "Ihr Blutdruck ist hoch. Setzen Sie sich fünf Minuten und messen Sie dann noch einmal.",
            ["Erledigt", "Später", "Hilfe"],
            ["Gewicht", "71,2 kg", "Wie erwartet"],
        ),
        b"es" => (
            "Su tensión es alta. Siéntese y descanse cinco minutos; después mida otra vez.",
            ["Hecho", "Más tarde", "Ayuda"],
            ["Peso", "71,2 kg", "Como se espera"],
        ),
        b"he" => (
            "םדה ץחל הובג .ךלש אנ תבשל שמח ,תוקד רחאלו ןכמ דודמל .בוש",
            ["יתישע", "רחא\u{A0}ךכ", "הרזע"],
            ["לקשמ", "71.2\u{A0}ג\"ק", "יופצכ"],
        ),
        _ => (
            "Your blood pressure is high. Sit and rest for five minutes, then measure again.",
            ["Done", "Later", "Help"],
            ["Weight", "71.2 kg", "As expected"],
        ),
    }
}

fn every_view(words: &Words, check: &mut dyn FnMut(&str, Picture)) {
    let (text, answers, reading) = sent(words);
    let rtl = words.right_to_left;
    let gateway = |words| Text { words, right_to_left: rtl, turn: false };
    let own = |words| Text { words, right_to_left: rtl, turn: rtl };
    let choices = [Choice::DONE, Choice::LATER, Choice::HELP];
    let offers: Vec<Offered<'_>> = choices
        .iter()
        .zip(answers)
        .map(|(choice, word)| Offered { choice: *choice, word })
        .collect();
    let noon = Some(12 * 60 + 34);
    check("starting", drawn(&View::Starting, words));
    check("first", drawn(&View::First, words));
    check("pairing", drawn(&View::Pairing, words));
    check("digits", drawn(&View::Digits(40_968), words));
    check("home", drawn(&View::Home { minute: noon, linked: Linked::Yes }, words));
    let since = Linked::NotSince(Some(9 * 60 + 5));
    check("no link", drawn(&View::Home { minute: noon, linked: since }, words));
    check("never linked", drawn(&View::Home { minute: None, linked: Linked::Never }, words));
    check("no reading", drawn(&View::NoReading, words));
    let [what, value, meaning] = reading.map(gateway);
    check("reading", drawn(&View::Reading { what, value, meaning, level: 0 }, words));
    for turn in 0..pages("", text, 3) {
        let shown = Shown { title: "", text: gateway(text), level: 2, offers: &offers, turn };
        check("prompt", drawn(&View::Prompt(shown), words));
    }
    let title = words.quantities[2];
    let own_offers = [
        Offered { choice: Choice::DONE, word: words.done },
        Offered { choice: Choice::HELP, word: words.help },
    ];
    for turn in 0..pages(title, words.critical, 2) {
        let shown = Shown { title, text: own(words.critical), level: 3, offers: &own_offers, turn };
        check("alert", drawn(&View::Prompt(shown), words));
    }
    check("thanks", drawn(&View::Thanks, words));
    check("not kept", drawn(&View::NotKept, words));
    check("help sent", drawn(&View::Help { linked: true }, words));
    check("help kept", drawn(&View::Help { linked: false }, words));
    check("update", drawn(&View::Update(420), words));
    check("fault", drawn(&View::Fault, words));
}

#[test]
fn every_screen_is_drawn_within_its_edges_in_every_language() {
    let mut wrong = Vec::new();
    for words in &ALL {
        let language = std::str::from_utf8(&words.language).unwrap();
        let mut pictures = Vec::new();
        every_view(words, &mut |name, picture| {
            if picture.outside > 0 || picture.count() < 100 {
                wrong.push(format!(
                    "{language} {name}: {} lit, {} beyond the edge",
                    picture.count(),
                    picture.outside
                ));
            }
            pictures.push(picture);
        });
        sheet(&pictures, 5, &format!("{language}.png"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_hubs_own_words_fit_their_screens() {
    let full = WIDTH;
    let beside_sign = WIDTH - sign::SIDE - 4;
    let mut wrong = Vec::new();
    for words in &ALL {
        let mut check = |text: &str, width: i32, rows: usize| {
            let language = std::str::from_utf8(&words.language).unwrap();
            let needed = lines(text, width);
            let longest = text.split(' ').map(|word| lines(word, width)).max().unwrap();
            if needed > rows || widest(text, width) > width || longest > 1 {
                wrong.push(format!("{language}: {text}: {needed} lines of {rows}, {longest}"));
            }
        };
        for text in [
            words.starting,
            words.first,
            words.pairing,
            words.not_kept,
            words.fault,
            words.no_reading,
        ] {
            check(text, full, ROWS);
        }
        check(words.help_sent, full, ROWS);
        check(words.help_kept, full, ROWS);
        check(words.update, full, 3);
        check(words.compare, full, 1);
        check(words.thanks, full, 1);
        check(words.connected, beside_sign, 2);
        check(words.never_linked, beside_sign, 2);
        check(&format!("{} 23:59", words.no_link), beside_sign, 2);
        check(words.as_expected, beside_sign, 1);
        check(words.look, beside_sign, 1);
        check(words.done, PROMPT_WIDTH, 1);
        check(words.help, PROMPT_WIDTH, 1);
        for quantity in words.quantities {
            check(quantity, PROMPT_WIDTH, 2);
        }
        for text in [words.critical, words.urgent, words.again, words.all_clear] {
            check(text, PROMPT_WIDTH, 2 * ROWS);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
