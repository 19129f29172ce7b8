//! A TCP proxy in front of every node, which can be told to cut, delay, slow down or swallow what passes, for everyone or
//! for one dialler alone, both ways or one way. It knows diallers by the process that owns the other end of the connection.

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
    /// Bytes pass later, each piece by another time below this one.
    Jitter(Duration),
    /// So many bytes a second pass, each way.
    Bandwidth(u32),
    /// What the dialler says does not arrive any more; what the program behind the proxy says does.
    Deaf,
    /// What the program behind the proxy says does not arrive any more; what the dialler says does.
    Mute,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// From the dialler to the program.
    In,
    /// From the program to the dialler.
    Out,
}

impl Fault {
    fn holds(self, way: Way) -> bool {
        match self {
            Self::HalfOpen => true,
            Self::Deaf => way == Way::In,
            Self::Mute => way == Way::Out,
            _ => false,
        }
    }

    /// How many bytes are passed on at a time: of a slow line a twentieth of a second's worth.
    fn chunk(self) -> usize {
        match self {
            Self::Bandwidth(rate) => (rate as usize / 20).clamp(1, CHUNK),
            _ => CHUNK,
        }
    }

    /// How long so many bytes are under way.
    fn takes(self, bytes: usize) -> Duration {
        match self {
            Self::Delay(time) => time,
            Self::Jitter(most) => most.mul_f64(f64::from(uuid::Uuid::new_v4().as_bytes()[0]) / 256.0),
            #[allow(clippy::cast_precision_loss, reason = "at most a chunk")]
            Self::Bandwidth(rate) => Duration::from_secs_f64(bytes as f64 / f64::from(rate.max(1))),
            _ => Duration::ZERO,
        }
    }
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
                    pump((from_near, to_far), Way::In, others.clone(), dialler),
                    pump((from_far, to_near), Way::Out, others.clone(), dialler),
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
    (mut from, mut to): (ReadHalf<'_>, WriteHalf<'_>),
    way: Way,
    mut rules: watch::Receiver<Rules>,
    dialler: Option<usize>,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let fault = rules.borrow_and_update().of(dialler);
        if fault.holds(way) {
            if rules.changed().await.is_err() {
                return Ok(());
            }
            continue;
        }
        let read = tokio::select! {
            read = from.read(&mut buffer[..fault.chunk()]) => read?,
            changed = rules.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return Ok(()),
            },
        };
        if read == 0 {
            return to.shutdown().await;
        }
        tokio::time::sleep(fault.takes(read)).await;
        to.write_all(&buffer[..read]).await?;
    }
}

/// Makes the end of a connection a reset instead of a polite close.
fn reset(socket: &TcpStream) {
    // A socket that is gone already needs no reset.
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}
