//! The conversation, message by message.

use proptest::prelude::*;

use super::*;

const ORDER: i64 = 104_201_000;

fn lines() -> Vec<Line> {
    let line = |drink, cents| Line {
        drink,
        sodas: vec!["Coke".into()],
        syrups: vec!["Vanilla".into(), "Mango".into()],
        add_ins: Vec::new(),
        cents,
    };
    vec![line(101_000, 260), line(201_000, 205)]
}

fn say(talk: &Talk, message: &str) -> Reply {
    match step(talk, message) {
        Step::Say(reply) | Step::Complain(reply) => reply,
        other => panic!("{other:?}"),
    }
}

fn phases(talk: &Talk) -> (&'static str, &'static str) {
    (talk.refund.word(), talk.wrong_drink.word())
}

#[test]
fn money_is_given_back() {
    let step_one = step(&Talk::default(), "my drink was wrong");
    let Step::Complain(reply) = step_one else { panic!("{step_one:?}") };
    assert_eq!(phases(&reply.talk), ("init", "init"));
    let reply = say(&reply.talk, "what?");
    assert_eq!(phases(&reply.talk), ("init", "init"));
    let reply = say(&reply.talk, "Refund please");
    assert_eq!(phases(&reply.talk), ("1", "none"));
    for wrong in ["I don't know", "12 or 13", "99999999999999999999"] {
        assert_eq!(phases(&say(&reply.talk, wrong).talk), ("1", "none"), "{wrong}");
    }
    assert_eq!(step(&reply.talk, "it's #104201000"), Step::LookUp(About::Refund, ORDER));
    let reply = found(About::Refund, ORDER, Ok(&lines()));
    assert_eq!((phases(&reply.talk), reply.talk.order), (("2", "none"), Some(ORDER)));
    assert_eq!(reply.talk.drinks, [101_000, 201_000]);
    assert_eq!(reply.says[1], "[1] Coke; syrups: Vanilla, Mango ($2.60)");
    assert_eq!(say(&reply.talk, "yesterday").talk, reply.talk);
    assert_eq!(step(&reply.talk, "Yes!"), Step::GiveBack(ORDER));
    let reply = given_back(&reply.talk, ORDER, Ok(465));
    assert!(reply.says[0].contains("$4.65"));
    assert_eq!(phases(&reply.talk), ("3", "none"));
    assert_eq!(phases(&say(&reply.talk, "hm").talk), ("3", "none"));
    let reply = say(&reply.talk, "i accept");
    assert_eq!((phases(&reply.talk), reply.talk.order), (("4", "none"), Some(ORDER)));
    assert_eq!(say(&reply.talk, "thank you").talk, Talk::default());
}

#[test]
fn drinks_are_made_again() {
    let reply = say(&say(&Talk::default(), "not what I ordered").talk, "remade");
    assert_eq!(phases(&reply.talk), ("none", "1"));
    assert_eq!(step(&reply.talk, "104201000"), Step::LookUp(About::Remake, ORDER));
    let reply = found(About::Remake, ORDER, Ok(&lines()));
    assert_eq!(phases(&reply.talk), ("none", "2"));
    assert_eq!(phases(&say(&reply.talk, "the good one").talk), ("none", "2"));
    assert_eq!(step(&reply.talk, "All of them"), Step::Remake(ORDER, None));
    assert_eq!(step(&reply.talk, "1, 2"), Step::Remake(ORDER, Some(vec![1, 2])));
    let wrong = remade(&reply.talk, ORDER, Err(Refusal::NoSuchDrink(2)));
    assert_eq!(wrong.talk, reply.talk);
    let reply = remade(&reply.talk, ORDER, Ok((204_201_000, vec![101_000])));
    assert_eq!((phases(&reply.talk), reply.talk.order), (("none", "3"), Some(204_201_000)));
    assert_eq!(phases(&say(&reply.talk, "I ACCEPT").talk), ("none", "4"));
}

#[test]
fn cancel_stops_at_any_time() {
    for phase in [Phase::None, Phase::Init, Phase::Order, Phase::Confirm, Phase::Done, Phase::Over] {
        for about in [About::Refund, About::Remake] {
            let reply = say(&at(about, phase, Some(ORDER), vec![1]), "please CANCEL it");
            assert_eq!(reply.talk, Talk::default());
        }
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    for refusal in [Refusal::HelpedBefore, Refusal::TooOld, Refusal::NotMade, Refusal::Over, Refusal::NotPaid] {
        assert_eq!(found(About::Refund, ORDER, Err(refusal.clone())).talk, Talk::default(), "{refusal:?}");
        assert_eq!(given_back(&Talk::default(), ORDER, Err(refusal)).talk, Talk::default());
    }
    assert_eq!(phases(&found(About::Remake, ORDER, Err(Refusal::Unknown)).talk), ("none", "1"));
    let missing = remade(&Talk::default(), ORDER, Err(Refusal::Missing(vec!["Mango".into()])));
    assert!(missing.says[0].contains("Mango"));
    assert_eq!(phases(&missing.talk), ("init", "init"));
}

#[test]
fn an_order_lost_on_the_way_is_asked_for_again() {
    for about in [About::Refund, About::Remake] {
        let lost = at(about, Phase::Confirm, None, Vec::new());
        assert_eq!(say(&lost, "yes").talk, at(about, Phase::Order, None, Vec::new()));
    }
}

proptest! {
    #[test]
    fn no_message_breaks_it(
        message in ".{0,60}",
        phases in ("none|init|1|2|3|4|x", "none|init|1|2|3|4|x"),
        order in prop::option::of(any::<i64>()),
    ) {
        let (refund, wrong_drink) = (Phase::parse(Some(&phases.0)), Phase::parse(Some(&phases.1)));
        let talk = Talk { refund, wrong_drink, order, drinks: Vec::new() };
        if let Step::Say(reply) | Step::Complain(reply) = step(&talk, &message) {
            prop_assert!(!reply.says.is_empty() && reply.says.iter().all(|says| !says.is_empty()));
        }
    }
}
