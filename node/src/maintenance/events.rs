//! How the states of machines merge: per store and machine the later wins as a whole.

use chrono::DateTime;
use codepop_proto::maintenance::MachineStateChanged;
use codepop_shared::number;
use uuid::Uuid;

use super::{
    State,
    store::{self, Machine},
};
use crate::{
    app::edge::{is_printable, is_storable},
    journal::{Audience, Error, Field, Merge, Replicated, Scope, Stamp},
    storage::{
        Tx,
        types::{Id, Time},
    },
};

/// The whole machine.
const MACHINE: Field = 1;

/// Longest serial number, in characters: `SR-` and the longest number of a store.
const SERIAL_MAX: usize = 53;

impl TryFrom<&MachineStateChanged> for Machine {
    type Error = &'static str;

    fn try_from(said: &MachineStateChanged) -> Result<Self, Self::Error> {
        let store = Uuid::from_slice(&said.store).map_err(|_| "the store is not a UUID")?;
        if !(1..=number::MAX).contains(&said.machine) {
            return Err("the machine's number is out of range");
        }
        let length = said.serial_number.chars().count();
        if !(1..=SERIAL_MAX).contains(&length) || !is_printable(&said.serial_number) {
            return Err("the serial number is not allowed");
        }
        let since = DateTime::from_timestamp_micros(said.since_us).filter(is_storable);
        Ok(Self {
            store: Id(store),
            id: said.machine,
            serial_number: said.serial_number.clone(),
            state: State::parse(&said.state).ok_or("a state that this version does not know")?,
            since: Time(since.ok_or("the time is out of range")?),
        })
    }
}

impl From<&Machine> for MachineStateChanged {
    fn from(machine: &Machine) -> Self {
        Self {
            store: machine.store.0.as_bytes().to_vec(),
            machine: machine.id,
            serial_number: machine.serial_number.clone(),
            state: machine.state.word().to_owned(),
            since_us: machine.since.0.timestamp_micros(),
        }
    }
}

impl Replicated for MachineStateChanged {
    fn scope(&self) -> Scope {
        Scope::Store(Uuid::from_slice(&self.store).unwrap_or(Uuid::nil()))
    }

    fn is_for(&self, audience: &Audience) -> bool {
        matches!(audience, Audience::Region(_))
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        let machine = Machine::try_from(self).map_err(Error::Unfit)?;
        let mut merge = Merge::new(&store::clocks(tx, machine.store, machine.id).await?, stamp)?;
        if !merge.takes(MACHINE) {
            return Ok(0);
        }
        let (clocks, live) = merge.settle(tx).await?;
        store::put(tx, &machine, &clocks).await?;
        Ok(live)
    }
}

#[cfg(test)]
mod tests {
    use futures::future::BoxFuture;
    use proptest::prelude::*;

    use super::*;
    use crate::{laws, on_both, testing::Node};

    impl laws::Said for MachineStateChanged {
        fn apply<'a>(&'a self, tx: &'a mut Tx, stamp: &'a Stamp) -> BoxFuture<'a, Result<i32, Error>> {
            Box::pin(Replicated::apply(self, tx, stamp))
        }

        fn digest(tx: &mut Tx) -> BoxFuture<'_, laws::Digested> {
            Box::pin(laws::digested(async |hasher| {
                super::super::digest(tx, &Audience::Region("C".into()), hasher).await
            }))
        }
    }

    fn said(store: u128, machine: i64, state: State, since_us: i64) -> MachineStateChanged {
        let store = Uuid::from_u128(store).as_bytes().to_vec();
        let (serial_number, state) = ("SR-C-1000".into(), state.word().into());
        MachineStateChanged { store, machine, serial_number, state, since_us }
    }

    fn any_said() -> impl Strategy<Value = MachineStateChanged> {
        (1_u128..3, 1_i64..3, 0..State::ALL.len(), 0_i64..3)
            .prop_map(|(store, machine, state, since)| said(store, machine, State::ALL[state], since))
    }

    on_both!(machines_merge_alike_in_any_order, async |node: Node| laws::hold(&node, any_said()).await);

    #[tokio::test]
    async fn both_databases_give_one_digest() {
        let stores = [1, u128::MAX, 7 << 100, 2];
        laws::alike_on_both(stores.map(|store| said(store, 101_000, State::Warning, 1_753_000_000_123_456)).into())
            .await;
    }

    on_both!(nonsense_is_unfit, async |node: Node| {
        let good = said(1, 1, State::Normal, 0);
        let cases = [
            MachineStateChanged { store: vec![1], ..good.clone() },
            MachineStateChanged { machine: 0, ..good.clone() },
            MachineStateChanged { serial_number: "\0".into(), ..good.clone() },
            MachineStateChanged { serial_number: "x".repeat(54), ..good.clone() },
            MachineStateChanged { state: "broken".into(), ..good.clone() },
            MachineStateChanged { since_us: i64::MAX, ..good },
        ];
        let stamp = Stamp { hlc: node.app.clock().tick(), origin: Uuid::nil(), stream: 1, seq: 1 };
        for case in cases {
            let told = case.clone();
            let applied =
                node.db.receive(move |tx| Box::pin(async move { Replicated::apply(&told, tx, &stamp).await }));
            let outcome = applied.await;
            assert!(matches!(outcome, Err(Error::Unfit(_))), "{case:?}: {outcome:?}");
        }
    });
}
