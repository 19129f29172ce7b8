//! The network: how long messages take, and which paths are cut.

use super::{
    clock::{MS, Micros},
    rng::Rng,
};

/// First time until TCP sends again what was not acknowledged; doubled each time.
const SENT_AGAIN_AFTER: Micros = 200 * MS;

/// How long messages take from one node to another.
#[derive(Clone, Debug)]
pub struct Net {
    nodes: usize,
    /// One-way delay of every pair, without chance.
    delays: Vec<Micros>,
    /// Mean of the exponential part that is drawn for every message.
    pub jitter: Micros,
    /// Share of segments that are lost and sent again.
    pub loss: f64,
    cut_until: Vec<Micros>,
}

impl Net {
    /// A network in which every pair has the delay that `delay` says.
    pub fn new(nodes: usize, jitter: Micros, delay: impl Fn(usize, usize) -> Micros) -> Self {
        let pairs = (0..nodes).flat_map(|from| (0..nodes).map(move |to| (from, to)));
        let delays = pairs.map(|(from, to)| delay(from, to)).collect();
        Self { nodes, delays, jitter, loss: 0.0, cut_until: vec![0; nodes * nodes] }
    }

    /// How long one message takes.
    pub fn delay(&self, rng: &mut Rng, from: usize, to: usize) -> Micros {
        let mut takes = self.delays[from * self.nodes + to] + rng.spread(self.jitter);
        let mut again = SENT_AGAIN_AFTER;
        while self.loss > 0.0 && rng.chance(self.loss) {
            takes += again;
            again *= 2;
        }
        takes
    }

    /// Cuts a path, in this direction only.
    pub fn cut(&mut self, from: usize, to: usize, until: Micros) {
        let held = &mut self.cut_until[from * self.nodes + to];
        *held = until.max(*held);
    }

    /// Whether a path is cut.
    pub fn is_cut(&self, now: Micros, from: usize, to: usize) -> bool {
        self.cut_until[from * self.nodes + to] > now
    }

    /// No faults any more.
    pub fn heal(&mut self) {
        self.loss = 0.0;
        self.cut_until.fill(0);
    }
}
