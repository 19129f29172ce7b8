//! A TCP proxy in front of every node, which can be told to cut, delay or swallow what passes, for everyone or for one
//! dialler alone. It knows diallers by the process that owns the other end of the connection.

mod who;

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

/// Bytes that are passed on at a time.
const CHUNK: usize = 16 * 1024;

/// What happens to connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: bytes pass.
    #[default]
    None,
    /// Connections are reset, and new ones too.
    Cut,
    /// Connections stay open and take what the buffers hold, but nothing passes any more.
    HalfOpen,
    /// Bytes pass later.
    Delay(Duration),
}

/// The faults of one proxy: for everyone, and for single diallers, which goes first.
#[derive(Clone, Debug, Default)]
struct Rules {
    everyone: Fault,
    diallers: HashMap<usize, Fault>,
}

impl Rules {
    fn of(&self, dialler: Option<usize>) -> Fault {
        dialler.and_then(|dialler| self.diallers.get(&dialler)).copied().unwrap_or(self.everyone)
    }
}

/// The processes of a mesh by the number of their node. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Processes(Arc<Mutex<HashMap<u32, usize>>>);

impl Processes {
    /// From now on this process is that node.
    pub fn add(&self, pid: u32, node: usize) {
        self.0.lock().unwrap().insert(pid, node);
    }

    fn owner_of(&self, port: u16) -> Option<usize> {
        let known = self.0.lock().unwrap().clone();
        let pid = who::owner_of(port, known.keys().copied())?;
        known.get(&pid).copied()
    }
}

/// A proxy with an address that stays, in front of a program whose address may change.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    upstream: Arc<Mutex<Option<SocketAddr>>>,
    rules: watch::Sender<Rules>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port of the loopback.
    pub async fn start(processes: Processes) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (rules, upstream) = (watch::Sender::new(Rules::default()), Arc::new(Mutex::new(None)));
        let (told, to) = (rules.clone(), Arc::clone(&upstream));
        let task = tokio::spawn(async move {
            while let Ok((socket, from)) = listener.accept().await {
                let (rules, to, processes) = (told.subscribe(), Arc::clone(&to), processes.clone());
                tokio::spawn(async move {
                    let to = *to.lock().unwrap();
                    // Without a program behind it nobody answers: the connection is reset.
                    if let Some(to) = to {
                        let dialler = processes.owner_of(from.port());
                        carry(socket, to, rules, dialler).await;
                    } else {
                        reset(&socket);
                    }
                });
            }
        });
        Self { address, upstream, rules, task }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections go there from now on; nowhere when `None`.
    pub fn lead_to(&self, upstream: Option<SocketAddr>) {
        *self.upstream.lock().unwrap() = upstream;
    }

    /// What happens to everyone's connections.
    pub fn set(&self, fault: Fault) {
        self.rules.send_modify(|rules| rules.everyone = fault);
    }

    /// What happens to the connections of one dialler.
    pub fn set_for(&self, dialler: usize, fault: Fault) {
        self.rules.send_modify(|rules| {
            rules.diallers.insert(dialler, fault);
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Passes bytes both ways until both sides have ended or a cut comes.
async fn carry(mut near: TcpStream, to: SocketAddr, mut rules: watch::Receiver<Rules>, dialler: Option<usize>) {
    let others = rules.clone();
    if rules.borrow().of(dialler) == Fault::Cut {
        return reset(&near);
    }
    let Ok(mut far) = TcpStream::connect(to).await else { return reset(&near) };
    // Passing small frames on late would be a fault of its own; without it they are late, not lost.
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let is_cut = {
        let (from_near, to_near) = near.split();
        let (from_far, to_far) = far.split();
        tokio::select! {
            cut = rules.wait_for(|rules| rules.of(dialler) == Fault::Cut) => cut.is_ok(),
            ended = async {
                tokio::try_join!(
                    pump(from_near, to_far, others.clone(), dialler),
                    pump(from_far, to_near, others.clone(), dialler),
                )
            } => ended.is_err(),
        }
    };
    if is_cut {
        reset(&near);
        reset(&far);
    }
}

/// Passes bytes one way, as the rules of the moment have it.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut rules: watch::Receiver<Rules>,
    dialler: Option<usize>,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let fault = rules.borrow_and_update().of(dialler);
        if fault == Fault::HalfOpen {
            if rules.changed().await.is_err() {
                return Ok(());
            }
            continue;
        }
        let read = tokio::select! {
            read = from.read(&mut buffer) => read?,
            changed = rules.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return Ok(()),
            },
        };
        if read == 0 {
            return to.shutdown().await;
        }
        if let Fault::Delay(time) = fault {
            tokio::time::sleep(time).await;
        }
        to.write_all(&buffer[..read]).await?;
    }
}

/// Makes the end of a connection a reset instead of a polite close.
fn reset(socket: &TcpStream) {
    // A socket that is gone already needs no reset.
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}
