//! Where SQLite's calls run. They block, so they must not run on the threads of the async runtime: a reader's go to the
//! runtime's pool of blocking threads, one visit a statement. The writer has a thread of its own ([`writer_thread`]) and its
//! calls run right there: no visit at all, which is most of what a small statement costs.

use std::{cell::Cell, error::Error, io, pin::Pin, task};

use diesel_async::sync_connection_wrapper::SpawnBlocking;
use futures::{FutureExt as _, future::BoxFuture};
use tokio::{runtime::Handle, task::JoinHandle};

thread_local! {
    /// Whether this thread does nothing but what the writer does, so that it may block.
    static IS_WRITERS: Cell<bool> = const { Cell::new(false) };
}

/// Runs the writer on a thread of its own, until it ends.
///
/// # Errors
/// The system gives no thread.
pub(super) fn writer_thread(task: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    let runtime = Handle::current();
    let thread = std::thread::Builder::new().name("writer".to_owned());
    thread.spawn(move || {
        IS_WRITERS.set(true);
        runtime.block_on(task);
    })?;
    Ok(())
}

/// What diesel-async asks where to run a blocking call.
pub struct Threads;

impl SpawnBlocking for Threads {
    fn spawn_blocking<'a, R>(
        &mut self,
        call: impl FnOnce() -> R + Send + 'static,
    ) -> BoxFuture<'a, Result<R, Box<dyn Error + Send + Sync + 'static>>>
    where
        R: Send + 'static,
    {
        if IS_WRITERS.get() {
            return std::future::ready(Ok(call())).boxed();
        }
        Visit(tokio::task::spawn_blocking(call)).map(|done| done.map_err(Into::into)).boxed()
    }

    fn get_runtime() -> Self {
        Self
    }
}

/// A call on another thread. Whoever stops waiting for it still waits for its end: the connection is in its hands until
/// then.
struct Visit<R>(JoinHandle<R>);

impl<R> Future for Visit<R> {
    type Output = Result<R, tokio::task::JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> task::Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl<R> Drop for Visit<R> {
    fn drop(&mut self) {
        if !self.0.is_finished() {
            // Only the end matters.
            tokio::task::block_in_place(|| drop(Handle::current().block_on(&mut self.0)));
        }
    }
}
