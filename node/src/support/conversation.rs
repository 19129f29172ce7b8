//! The conversation about orders that went wrong: pure. The phone keeps the state and sends it along with each message;
//! [`step`] says what follows, and where something must be looked up or done first, the answer that comes of it is made by
//! [`found`], [`given_back`] and [`remade`].

use super::phrases::Words;

/// How far one of the two talks has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// There is none.
    #[default]
    None,
    /// It was asked what is wanted.
    Init,
    /// It was asked for the order.
    Order,
    /// It was asked to confirm, or for the drinks.
    Confirm,
    /// It is done; it was asked to accept.
    Done,
    /// It was accepted.
    Over,
}

impl Phase {
    /// Reads the word of the app; what is no word of it is as good as none.
    pub(super) fn parse(word: Option<&str>) -> Self {
        match word.map(str::trim) {
            Some("init") => Self::Init,
            Some("1") => Self::Order,
            Some("2") => Self::Confirm,
            Some("3") => Self::Done,
            Some("4") => Self::Over,
            _ => Self::None,
        }
    }

    /// The word of the app.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Init => "init",
            Self::Order => "1",
            Self::Confirm => "2",
            Self::Done => "3",
            Self::Over => "4",
        }
    }

    fn is_under_way(self) -> bool {
        matches!(self, Self::Order | Self::Confirm | Self::Done)
    }
}

/// What the talk is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// The money back.
    Refund,
    /// Drinks made again.
    Remake,
}

/// Where the conversation stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Talk {
    /// The talk about a refund.
    pub(super) refund: Phase,
    /// The talk about a drink made wrong.
    pub(super) wrong_drink: Phase,
    /// The order.
    pub(super) order: Option<i64>,
    /// Its drinks, by number.
    pub(super) drinks: Vec<i64>,
}

/// An answer and where the conversation stands then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// What is said.
    pub(super) says: Vec<String>,
    /// Where it stands.
    pub(super) talk: Talk,
}

/// What follows a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// This is said.
    Say(Reply),
    /// Somebody complains for the first time: this is said, and the words are kept for the complaint.
    Complain(Reply),
    /// The order is to be looked up, then [`found`].
    LookUp(About, i64),
    /// The money is to be given back, then [`given_back`].
    GiveBack(i64),
    /// Drinks are to be made again, then [`remade`]: all, or those with these numbers in the list.
    Remake(i64, Option<Vec<i64>>),
}

/// A drink as the customer is shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Its number.
    pub(super) drink: i64,
    /// Its sodas.
    pub(super) sodas: Vec<String>,
    /// Its syrups.
    pub(super) syrups: Vec<String>,
    /// Its add-ins.
    pub(super) add_ins: Vec<String>,
    /// What it cost, in cents.
    pub(super) cents: i64,
}

/// Why nothing can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no such order of the caller's.
    Unknown,
    /// It was remade or refunded before.
    HelpedBefore,
    /// It is too long ago.
    TooOld,
    /// It waits to be made; it can be cancelled.
    NotMade,
    /// It was cancelled, or nobody came for it.
    Over,
    /// Nothing was paid for it here, or nothing of it is left.
    NotPaid,
    /// The caller was helped too often lately: people look at it.
    TooOften,
    /// The store lacks these ingredients.
    Missing(Vec<String>),
    /// The store cannot make it, for this reason.
    Unable(String),
    /// There is no drink with this number in the order, which has so many.
    NoSuchDrink(usize),
}

const WHAT_IS_WANTED: &str = "I am sorry that your order was not right. Write \"remade\" to have drinks made again, or \"refund\" for your money \
     back. Write \"cancel\" to stop at any time.";
const WHICH_ORDER: &str = "What is the number of the order? It is on your receipt. Please write just that one number.";
const ORDER_NEEDED: &str = "Please write the number of the order, one number and nothing else.";
const NO_ORDER: &str =
    "I can't find that order among yours. Check the number, and write from the phone or account that placed the order.";
const CONFIRM_REFUND: &str =
    "Shall I give you the money for this order back? Write \"yes\" to go on or \"cancel\" to stop.";
const WHICH_DRINKS: &str = "Which drinks shall we make again? Write their numbers in the list, or \"all\".";
const ACCEPT: &str = "Write \"I accept\" to finish.";
const STOPPED: &str = "All right, I have stopped. Tell me whenever you need something else.";
const HELPED: &str = "This order was refunded or made again already; that can be done once.";
const NOTED: &str = "I have noted your complaint; the store's staff will look at it.";

/// What follows a message.
pub(super) fn step(talk: &Talk, message: &str) -> Step {
    let words = Words::of(message);
    if words.cancels() {
        return Step::Say(fresh(STOPPED));
    }
    if talk.wrong_drink.is_under_way() {
        return under_way(talk, About::Remake, &words);
    }
    if talk.refund.is_under_way() {
        return under_way(talk, About::Refund, &words);
    }
    if talk.wrong_drink == Phase::Init || talk.refund == Phase::Init {
        return chosen(&words);
    }
    if words.complains() {
        return Step::Complain(asked(WHAT_IS_WANTED));
    }
    Step::Say(fresh(small_talk(&words)))
}

/// A talk that has begun.
fn under_way(talk: &Talk, about: About, words: &Words) -> Step {
    let phase = if about == About::Refund { talk.refund } else { talk.wrong_drink };
    match (phase, talk.order) {
        (Phase::Confirm, Some(order)) if about == About::Refund => {
            if words.agrees() {
                Step::GiveBack(order)
            } else {
                Step::Say(stay(talk, CONFIRM_REFUND))
            }
        }
        (Phase::Confirm, Some(order)) => {
            let numbers: Option<Vec<i64>> = words.numbers().into_iter().collect();
            match numbers {
                _ if words.means_all() => Step::Remake(order, None),
                Some(numbers) if !numbers.is_empty() => Step::Remake(order, Some(numbers)),
                _ => Step::Say(stay(talk, WHICH_DRINKS)),
            }
        }
        (Phase::Done, _) if words.accepts() => {
            let talk = at(about, Phase::Over, talk.order, talk.drinks.clone());
            Step::Say(Reply { says: vec!["Thank you, and enjoy your day!".to_owned()], talk })
        }
        (Phase::Done, _) => Step::Say(stay(talk, ACCEPT)),
        // Asked for the order, or it got lost on the way.
        _ => match words.numbers()[..] {
            [Some(order)] => Step::LookUp(about, order),
            _ => Step::Say(Reply {
                says: vec![ORDER_NEEDED.to_owned()],
                talk: at(about, Phase::Order, None, Vec::new()),
            }),
        },
    }
}

/// What is wanted was asked.
fn chosen(words: &Words) -> Step {
    let about = match (words.wants_refund(), words.wants_remake()) {
        (true, false) => About::Refund,
        (false, true) => About::Remake,
        _ => return Step::Say(asked(WHAT_IS_WANTED)),
    };
    Step::Say(Reply { says: vec![WHICH_ORDER.to_owned()], talk: at(about, Phase::Order, None, Vec::new()) })
}

/// The order was looked up.
pub(super) fn found(about: About, order: i64, lines: Result<&[Line], Refusal>) -> Reply {
    let lines = match lines {
        Ok(lines) => lines,
        Err(refusal) => return refused(about, Phase::Order, None, &refusal),
    };
    let mut says = vec!["I found your order. These are its drinks:".to_owned()];
    says.extend(lines.iter().enumerate().map(|(at, line)| shown(at + 1, line)));
    says.push(if about == About::Refund { CONFIRM_REFUND } else { WHICH_DRINKS }.to_owned());
    let drinks = lines.iter().map(|line| line.drink).collect();
    Reply { says, talk: at(about, Phase::Confirm, Some(order), drinks) }
}

/// The money is on its way back, or not.
pub(super) fn given_back(talk: &Talk, order: i64, outcome: Result<i64, Refusal>) -> Reply {
    match outcome {
        Ok(cents) => {
            let says = format!(
                "We are giving {} back to you. It can take some days until your bank shows it.",
                dollars(cents)
            );
            let talk = at(About::Refund, Phase::Done, Some(order), talk.drinks.clone());
            Reply { says: vec![says, ACCEPT.to_owned()], talk }
        }
        Err(refusal) => refused(About::Refund, Phase::Confirm, Some((order, talk.drinks.clone())), &refusal),
    }
}

/// The drinks are made again, or not.
pub(super) fn remade(talk: &Talk, order: i64, outcome: Result<(i64, Vec<i64>), Refusal>) -> Reply {
    match outcome {
        Ok((new, drinks)) => {
            let says =
                format!("We are making {} for you again; the number of the new order is {new}.", count(drinks.len()));
            Reply { says: vec![says, ACCEPT.to_owned()], talk: at(About::Remake, Phase::Done, Some(new), drinks) }
        }
        Err(refusal) => refused(About::Remake, Phase::Confirm, Some((order, talk.drinks.clone())), &refusal),
    }
}

/// Says why not. The talk goes on where something else may help, and is over where nothing does.
fn refused(about: About, phase: Phase, order: Option<(i64, Vec<i64>)>, refusal: &Refusal) -> Reply {
    let says = match refusal {
        Refusal::Unknown => NO_ORDER.to_owned(),
        Refusal::HelpedBefore => HELPED.to_owned(),
        Refusal::TooOld => format!("This order is too long ago for me. {NOTED}"),
        Refusal::NotMade => {
            "This order has not been made yet. You can cancel it in the app and get all of your money.".to_owned()
        }
        Refusal::Over => "This order was never handed out: it was cancelled or has expired.".to_owned(),
        Refusal::NotPaid => format!("I see no payment for this order of which anything is left. {NOTED}"),
        Refusal::TooOften => format!("I have helped you several times lately, so people must decide now. {NOTED}"),
        Refusal::Missing(names) => format!("We can't make that now, because we have run out of {}.", names.join(", ")),
        Refusal::Unable(why) => format!("We can't make that now: {why}"),
        Refusal::NoSuchDrink(drinks) => format!("The order has {}. {WHICH_DRINKS}", count(*drinks)),
    };
    match refusal {
        Refusal::Unknown => Reply { says: vec![says], talk: at(about, Phase::Order, None, Vec::new()) },
        Refusal::NoSuchDrink(_) => {
            let (order, drinks) = order.map_or((None, Vec::new()), |(order, drinks)| (Some(order), drinks));
            Reply { says: vec![says], talk: at(about, phase, order, drinks) }
        }
        Refusal::Missing(_) | Refusal::Unable(_) => {
            Reply { says: vec![says, WHAT_IS_WANTED.to_owned()], ..asked(WHAT_IS_WANTED) }
        }
        _ => fresh(&says),
    }
}

fn at(about: About, phase: Phase, order: Option<i64>, drinks: Vec<i64>) -> Talk {
    match about {
        About::Refund => Talk { refund: phase, wrong_drink: Phase::None, order, drinks },
        About::Remake => Talk { refund: Phase::None, wrong_drink: phase, order, drinks },
    }
}

fn stay(talk: &Talk, says: &str) -> Reply {
    Reply { says: vec![says.to_owned()], talk: talk.clone() }
}

fn fresh(says: &str) -> Reply {
    Reply { says: vec![says.to_owned()], talk: Talk::default() }
}

fn asked(says: &str) -> Reply {
    let talk = Talk { refund: Phase::Init, wrong_drink: Phase::Init, ..Talk::default() };
    Reply { says: vec![says.to_owned()], talk }
}

fn small_talk(words: &Words) -> &'static str {
    if words.thanks() {
        "You are welcome!"
    } else if words.asks_hours() {
        "The app shows when each store is open, in the list of stores. Is anything wrong with an order?"
    } else if words.greets() {
        "Hello! I help when an order went wrong. What happened?"
    } else {
        "I help with drinks that were made wrong and with refunds. Tell me what is wrong with your order."
    }
}

fn shown(at: usize, line: &Line) -> String {
    let mut text = format!("[{at}] {}", line.sodas.join(" and "));
    let mut with = |what: &str, names: &[String]| {
        if !names.is_empty() {
            text.push_str(&format!("; {what}: {}", names.join(", ")));
        }
    };
    with("syrups", &line.syrups);
    with("add-ins", &line.add_ins);
    format!("{text} ({})", dollars(line.cents))
}

fn dollars(cents: i64) -> String {
    format!("${}.{:02}", cents / 100, cents % 100)
}

fn count(drinks: usize) -> String {
    if drinks == 1 { "1 drink".to_owned() } else { format!("{drinks} drinks") }
}

#[cfg(test)]
#[path = "conversation_tests.rs"]
mod tests;
