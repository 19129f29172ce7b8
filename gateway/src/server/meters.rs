//! Metrics of requests. The handles for each combination of labels are kept, so that counting a request costs a look-up
//! and no allocation.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use metrics::{Counter, Histogram, counter, histogram};

/// Combinations that are kept. Routes, methods and codes are bounded by the contract; this bounds them once more.
const METERS_MAX: usize = 10_000;

/// The meters of one route: method and code with their counter and histogram.
type OfRoute = Vec<(Box<str>, &'static str, Counter, Histogram)>;

/// Counters and histograms by route, method and code.
#[derive(Default)]
pub(crate) struct Meters(RwLock<HashMap<Box<str>, OfRoute>>);

impl Meters {
    /// Counts a request.
    pub(crate) fn record(&self, route: &str, method: &str, code: &'static str, took: Duration) {
        let (requests, seconds) = self.find(route, method, code).unwrap_or_else(|| self.make(route, method, code));
        requests.increment(1);
        seconds.record(took.as_secs_f64());
    }

    fn find(&self, route: &str, method: &str, code: &str) -> Option<(Counter, Histogram)> {
        let routes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let found = routes.get(route)?.iter().find(|(of, with, ..)| **of == *method && *with == code)?;
        Some((found.2.clone(), found.3.clone()))
    }

    fn make(&self, route: &str, method: &str, code: &'static str) -> (Counter, Histogram) {
        let labels = [("route", route.to_owned()), ("method", method.to_owned()), ("code", code.to_owned())];
        let requests = counter!("gateway_requests_total", &labels);
        let seconds = histogram!("gateway_request_seconds", &labels[..2]);
        let mut routes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if routes.values().map(Vec::len).sum::<usize>() < METERS_MAX {
            routes.entry(route.into()).or_default().push((method.into(), code, requests.clone(), seconds.clone()));
        }
        (requests, seconds)
    }
}

impl std::fmt::Debug for Meters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meters")
    }
}
