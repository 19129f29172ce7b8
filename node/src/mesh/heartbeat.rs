//! Heartbeats on a link, in both directions: a node that is not heard for a while is down.

use std::{collections::VecDeque, time::Duration};

use codepop_proto::mesh::Heartbeat;
use codepop_shared::identity::SpiffeId;
use futures::{Stream, StreamExt as _};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::links::Links;

/// How heartbeats are timed.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Time between heartbeats.
    pub interval: Duration,
    /// A peer that was not heard for so long is down.
    pub down_after: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { interval: Duration::from_secs(2), down_after: Duration::from_secs(6) }
    }
}

/// Heartbeats whose echo may be awaited: more than ever are under way before the link counts as down.
const AWAITED_MAX: usize = 64;

/// Why a link ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum End {
    /// It was cut on this side.
    #[error("cut here")]
    Cut,
    /// The peer was not heard for too long.
    #[error("not heard for too long")]
    Silent,
    /// The peer ended it, or the connection broke.
    #[error("{0}")]
    Broken(String),
}

/// One side of a link, without I/O: numbers what it sends, times what comes back, and knows when silence has lasted too
/// long.
#[derive(Debug)]
pub struct Pulse {
    down_after: Duration,
    silent_at: Instant,
    number: u64,
    heard: u64,
    awaited: VecDeque<(u64, Instant)>,
}

impl Pulse {
    /// A link that is up from `now` on.
    pub fn new(config: Config, now: Instant) -> Self {
        let down_after = config.down_after;
        Self { down_after, silent_at: now + down_after, number: 0, heard: 0, awaited: VecDeque::new() }
    }

    /// When the link counts as down, unless the peer is heard before.
    pub fn silent_at(&self) -> Instant {
        self.silent_at
    }

    /// The next heartbeat.
    pub fn beat(&mut self, now: Instant, has_hub: bool) -> Heartbeat {
        self.number += 1;
        if self.awaited.len() == AWAITED_MAX {
            self.awaited.pop_front();
        }
        self.awaited.push_back((self.number, now));
        Heartbeat { number: self.number, echo: self.heard, has_hub }
    }

    /// Takes a heartbeat: the round-trip time that it shows, and the echo that it wants.
    pub fn hear(&mut self, now: Instant, beat: &Heartbeat, has_hub: bool) -> (Option<Duration>, Option<Heartbeat>) {
        self.silent_at = now + self.down_after;
        let sent = self.awaited.iter().find(|(number, _)| *number == beat.echo).map(|(_, sent)| *sent);
        if sent.is_some() {
            self.awaited.retain(|(number, _)| *number > beat.echo);
        }
        let is_new = beat.number > self.heard;
        self.heard = self.heard.max(beat.number);
        let echo = is_new.then_some(Heartbeat { number: self.number, echo: self.heard, has_hub });
        (sent.map(|sent| now - sent), echo)
    }
}

/// Sends and hears heartbeats until the link ends.
pub async fn run<S>(
    links: &Links,
    peer: &SpiffeId,
    config: Config,
    mut inbound: S,
    out: mpsc::Sender<Heartbeat>,
    cut: CancellationToken,
) -> End
where
    S: Stream<Item = Result<Heartbeat, Status>> + Unpin,
{
    let mut pulse = Pulse::new(config, Instant::now());
    let mut beats = interval(config.interval);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = cut.cancelled() => return End::Cut,
            () = sleep_until(pulse.silent_at()) => return End::Silent,
            _ = beats.tick() => send(&out, pulse.beat(Instant::now(), links.has_hub())),
            heard = inbound.next() => match heard {
                Some(Ok(beat)) => {
                    let now = Instant::now();
                    let (round_trip, echo) = pulse.hear(now, &beat, links.has_hub());
                    links.heard(peer.uuid, round_trip);
                    echo.into_iter().for_each(|echo| send(&out, echo));
                }
                Some(Err(status)) => return End::Broken(status.message().to_owned()),
                None => return End::Broken("ended by the peer".to_owned()),
            },
        }
    }
}

/// A heartbeat that finds no room is dropped: the peer does not read, and its silence will tell.
fn send(out: &mpsc::Sender<Heartbeat>, beat: Heartbeat) {
    let _dropped_when_full = out.try_send(beat);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_echo_shows_the_round_trip_and_is_not_echoed_again() {
        let [mut a, mut b] = [(), ()].map(|()| Pulse::new(Config::default(), Instant::now()));
        let beat = a.beat(Instant::now(), false);
        let (_, echo) = b.hear(Instant::now(), &beat, false);
        tokio::time::advance(Duration::from_millis(30)).await;
        let (round_trip, again) = a.hear(Instant::now(), &echo.unwrap(), false);
        assert_eq!(round_trip, Some(Duration::from_millis(30)));
        assert_eq!(again, None);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_the_link_in_time() {
        let me = crate::testing::name(1_000, "C");
        let peer = crate::testing::name(1_001, "C");
        let (out, _kept) = mpsc::channel(8);
        let started = Instant::now();
        let silence = futures::stream::pending();
        let config = Config::default();
        let end = run(&Links::new(me), &peer, config, silence, out, CancellationToken::new()).await;
        assert_eq!(end, End::Silent);
        assert!(started.elapsed() <= config.down_after + config.interval);
    }
}
