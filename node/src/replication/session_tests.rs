//! The protocol between two nodes, frame by frame.

use uuid::Uuid;

use super::*;
use crate::testing::name;

fn stream(id: i64, origin: Uuid, audience: Audience, head: u64) -> Stream {
    Stream { id, origin, audience, head, head_hash: None, floor: 0 }
}

fn pair(push: bool) -> (Session, Session) {
    let (a, b) = (name(1_000, "C"), name(1_001, "D"));
    (Session::new(a.clone(), b.clone(), push), Session::new(b, a, push))
}

fn greet(a: &mut Session, a_has: &[Stream], b: &mut Session, b_has: &[Stream]) -> (Vec<Output>, Vec<Output>) {
    let (from_a, from_b) = (a.hello(a_has), b.hello(b_has));
    let (at_a, at_b) = (a.handle(from_b), b.handle(from_a));
    for (outputs, to) in [(&at_a, &mut *b), (&at_b, &mut *a)] {
        for output in outputs {
            let Output::Send(frame) = output else { panic!("{output:?}") };
            assert_eq!(to.handle(frame.clone()), []);
        }
    }
    (at_a, at_b)
}

#[test]
fn what_the_peer_lacks_is_sent_in_order() {
    let (mut a, mut b) = pair(true);
    let origin = a.me.uuid;
    greet(&mut a, &[stream(1, origin, Audience::Everyone, 7)], &mut b, &[]);
    let next = a.next().unwrap();
    assert_eq!((next.stream, next.after), (1, 0));
    a.sent(next.key, 7, 7);
    assert_eq!(a.next(), None);
    assert_eq!(a.lag(), (7, 7));
}

#[test]
fn other_regions_and_relays_of_direct_messages_get_nothing() {
    let (mut a, mut b) = pair(true);
    let streams = [
        stream(1, a.me.uuid, Audience::Region("C".into()), 5),
        stream(2, a.me.uuid, Audience::Hubs, 5),
        stream(3, Uuid::now_v7(), Audience::Store(b.me.uuid), 5),
    ];
    greet(&mut a, &streams, &mut b, &[]);
    assert_eq!(a.next(), None);
}

#[test]
fn what_an_origin_says_waits_for_its_announcement() {
    let (mut a, mut b) = pair(true);
    (a.me.region, b.me.region, a.peer.region) = ("C".into(), "C".into(), "C".into());
    let (origin, region) = (Uuid::now_v7(), Audience::Region("C".into()));
    greet(&mut a, &[stream(1, origin, region.clone(), 5)], &mut b, &[]);
    assert_eq!(a.next(), None);
    a.journal_changed(&[stream(2, origin, Audience::Everyone, 1)]);
    let next = a.next().unwrap();
    assert_eq!(next.key.1, Audience::Everyone);
    a.sent(next.key, 1, 1);
    assert_eq!(a.next().unwrap().key.1, region);
    a.hold(a.next().unwrap().key);
    assert_eq!(a.next(), None);
    a.journal_changed(&[stream(2, origin, Audience::Everyone, 2)]);
    let next = a.next().unwrap();
    a.sent(next.key, 2, 1);
    assert_eq!(a.next().unwrap().key.1, region);
}

#[test]
fn a_peer_that_lost_its_own_words_gets_them_as_proof_and_no_other_does() {
    let (mut a, mut b) = pair(true);
    let origin = a.me.uuid;
    let old = [stream(1, origin, Audience::Everyone, 3)];
    let newer = [stream(4, origin, Audience::Everyone, 9)];
    greet(&mut a, &old, &mut b, &newer);
    assert!(!a.is_confirmed() && b.is_confirmed());
    let next = b.next().unwrap();
    assert_eq!((next.stream, next.after), (4, 3));
    b.sent(next.key, 9, 6);
    b.journal_changed(&[stream(4, origin, Audience::Everyone, 12)]);
    assert_eq!(b.next(), None);
}

#[test]
fn without_push_a_difference_that_lasts_brings_a_want_and_that_the_events() {
    let (mut a, mut b) = pair(false);
    let origin = a.me.uuid;
    greet(&mut a, &[], &mut b, &[]);
    let known = [stream(1, origin, Audience::Everyone, 2)];
    a.journal_changed(&known);
    assert_eq!(a.next(), None);
    let Output::Send(digest) = a.tick().remove(0) else { panic!() };
    assert_eq!(b.handle(digest), []);
    assert!(b.differs());
    let wants = |session: &mut Session| {
        session.tick().into_iter().find_map(|output| match output {
            Output::Send(Frame::Want(want)) => Some(want),
            _ => None,
        })
    };
    let want = (0..WANT_AFTER_TICKS).find_map(|_| wants(&mut b)).unwrap();
    // Not again at once.
    assert!((0..WANT_AFTER_TICKS).all(|_| wants(&mut b).is_none()));
    assert_eq!(a.handle(Frame::Want(want)), []);
    assert_eq!(a.next().unwrap().after, 0);
    // What the hub brings meanwhile need not be asked for.
    b.journal_changed(&known);
    assert!((0..2 * DIGEST_EVERY_TICKS).all(|_| wants(&mut b).is_none()));
}

#[test]
fn equal_digests_say_that_nothing_is_lacking() {
    let (mut a, mut b) = pair(false);
    let known = [stream(1, Uuid::now_v7(), Audience::Everyone, 3)];
    greet(&mut a, &[], &mut b, &[]);
    // A third node brought it to both.
    a.journal_changed(&known);
    b.journal_changed(&known);
    assert_eq!(a.lag(), (3, 0));
    let Output::Send(digest) = b.tick().remove(0) else { panic!() };
    assert_eq!(a.handle(digest), []);
    assert_eq!(a.lag(), (0, 0));
}

#[test]
fn the_window_holds_a_slow_peer_back() {
    let (mut a, mut b) = pair(true);
    let origin = a.me.uuid;
    greet(&mut a, &[stream(1, origin, Audience::Everyone, 10_000)], &mut b, &[]);
    let mut events = 0;
    while let Some(next) = a.next() {
        events += next.limit as u64;
        a.sent(next.key, next.after + next.limit as u64, next.limit);
    }
    assert_eq!(events, WINDOW_EVENTS);
    let ack = Ack { vector: None, received: 500 };
    assert_eq!(a.handle(Frame::Ack(ack)), []);
    assert_eq!(a.next().unwrap().limit, 500);
}

#[test]
fn acknowledging_what_nobody_has_fills_no_memory() {
    let (mut a, mut b) = pair(true);
    greet(&mut a, &[], &mut b, &[]);
    let forged = Positions::from_iter((0..1_000).map(|_| ((Uuid::now_v7(), Audience::Everyone), 1)));
    assert_eq!(a.handle(Frame::Ack(Ack { vector: Some(forged.to_vector()), received: 0 })), []);
    assert_eq!(a.peer_has, Positions::default());
}

#[test]
fn a_peer_whose_stream_is_forked_gets_a_proof() {
    let (mut a, mut b) = pair(false);
    let origin = a.me.uuid;
    let (old, new) = ([stream(1, origin, Audience::Everyone, 3)], [stream(4, origin, Audience::Everyone, 2)]);
    greet(&mut a, &old, &mut b, &new);
    assert_eq!(b.next(), None);
    b.took_in(1, Some(((origin, Audience::Everyone), 2)), false);
    b.prove((origin, Audience::Everyone));
    let next = b.next().unwrap();
    assert_eq!((next.stream, next.after), (4, 1));
    b.sent(next.key, 2, 1);
    assert_eq!(b.next(), None);
}

fn digested(basis: u8, state: u8) -> Digested {
    Digested { audience: Audience::Everyone, basis: [basis; 16], state: [state; 32] }
}

#[test]
fn states_are_compared_where_they_depend_on_the_same() {
    let (mut a, mut b) = pair(false);
    greet(&mut a, &[], &mut b, &[]);
    let hidden = Digested { audience: Audience::Hubs, ..digested(1, 1) };
    a.states_computed(vec![hidden, digested(1, 1)]);
    let Output::Send(Frame::Digest(frame)) = a.tick().remove(0) else { panic!() };
    assert_eq!(frame.states.len(), 1, "stores do not share what hubs hold");
    let mut seen = |states: Vec<Digested>| {
        b.states_computed(states);
        b.handle(Frame::Digest(frame.clone()));
        b.take_compared()
    };
    assert_eq!(seen(vec![]), []);
    assert_eq!(seen(vec![digested(2, 2)]), []);
    assert_eq!(seen(vec![digested(1, 1)]), [Compared { audience: Audience::Everyone, equal: true }]);
    assert_eq!(seen(vec![digested(1, 2)]), [Compared { audience: Audience::Everyone, equal: false }]);
    // Told again soon only when there is something new to tell.
    assert_eq!(a.tick(), []);
    a.states_computed(vec![digested(3, 3)]);
    assert_eq!(a.tick().len(), 1);
}

#[test]
fn what_everyone_needs_goes_first_and_the_shortest_of_it() {
    let (a, b) = (name(1_000, "C"), name(1_001, "C"));
    let (mut a, mut b) = (Session::new(a.clone(), b.clone(), true), Session::new(b, a, true));
    let origins: Vec<Uuid> = (1..=3).map(Uuid::from_u128).collect();
    let streams = [
        stream(1, origins[2], Audience::Region("C".into()), 1),
        stream(2, origins[1], Audience::Everyone, 900),
        stream(3, origins[2], Audience::Everyone, 5),
    ];
    greet(&mut a, &streams, &mut b, &[]);
    let mut order = Vec::new();
    while let Some(next) = a.next() {
        order.push(next.stream);
        let head = streams[next.stream as usize - 1].head;
        let last = head.min(next.after + next.limit as u64);
        a.sent(next.key, last, (last - next.after) as usize);
    }
    assert_eq!(order, [3, 2, 2, 1]);
}

#[test]
fn what_breaks_the_protocol_ends_the_session() {
    let (mut a, _) = pair(true);
    assert_eq!(a.handle(Frame::Ack(Ack::default())), [Output::Close("a frame before hello")]);
    a.handle(Frame::Hello(Hello::default()));
    for frame in [
        Frame::Hello(Hello::default()),
        Frame::Events(EventBatch::default()),
        Frame::Ack(Ack { vector: None, received: 1 }),
        Frame::Digest(Digest { vector_hash: vec![1], states: vec![] }),
    ] {
        assert!(matches!(a.handle(frame)[..], [Output::Close(_)]));
    }
}
