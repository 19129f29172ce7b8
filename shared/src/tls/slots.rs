//! Counts connections, in all and per address, so that nobody can take them all.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A counted number of places.
#[derive(Debug)]
pub struct Slots {
    total_max: usize,
    per_address_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A place, given back when dropped.
#[derive(Debug)]
pub struct Slot {
    slots: Arc<Slots>,
    address: IpAddr,
}

impl Slots {
    /// So many places in all, and so many for one address.
    pub fn new(total_max: usize, per_address_max: usize) -> Arc<Self> {
        Arc::new(Self { total_max, per_address_max, taken: Mutex::default() })
    }

    /// Takes a place, if there is one left in all and for this address.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<Slot> {
        let address = one_customer(address);
        let mut taken = self.lock();
        let here = taken.by_address.get(&address).copied().unwrap_or_default();
        if taken.total >= self.total_max || here >= self.per_address_max {
            return None;
        }
        taken.total += 1;
        taken.by_address.insert(address, here + 1);
        Some(Slot { slots: Arc::clone(self), address })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.lock();
        taken.total = taken.total.saturating_sub(1);
        if let Some(here) = taken.by_address.get_mut(&self.address) {
            *here = here.saturating_sub(1);
            if *here == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

/// What counts as one address: an IPv4 address, or the /64 that an IPv6 customer gets.
fn one_customer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back() {
        let slots = Slots::new(3, 2);
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let (first, second) = (slots.take(ip("10.0.0.1")).unwrap(), slots.take(ip("::ffff:10.0.0.1")).unwrap());
        assert!(slots.take(ip("10.0.0.1")).is_none(), "two per address");
        let third = slots.take(ip("2001:db8::1")).unwrap();
        assert!(slots.take(ip("10.0.0.2")).is_none(), "three in all");
        drop((first, second));
        assert!(slots.take(ip("10.0.0.1")).is_some());
        let _fourth = slots.take(ip("2001:db8::2")).unwrap();
        assert!(slots.take(ip("2001:db8::3")).is_none(), "one /64 is one customer");
        drop(third);
        assert_eq!(slots.lock().by_address.len(), 1);
    }
}
