//! A small HTTP/1.1 load generator: connections that ask again as soon as they are answered.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

/// What a run showed.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Answers a second.
    pub rate: f64,
    /// Half of the answers came within this time.
    pub p50: Duration,
    /// 99 of 100 answers came within this time.
    pub p99: Duration,
}

/// Asks for `path` on so many connections for so long.
///
/// # Panics
/// An answer is not 200, or a connection breaks.
pub async fn load(address: SocketAddr, path: &str, connections: usize, time: Duration) -> Load {
    let start = Instant::now();
    let tasks: Vec<_> = (0..connections)
        .map(|_| {
            let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: application/json\r\n\r\n");
            tokio::spawn(async move { ask_again_and_again(address, &request, start + time).await })
        })
        .collect();
    let mut taken = Vec::new();
    for task in tasks {
        taken.extend(task.await.unwrap().unwrap());
    }
    let seconds = start.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52 answers")]
    let rate = taken.len() as f64 / seconds;
    taken.sort_unstable();
    Load { rate, p50: percentile(&taken, 50), p99: percentile(&taken, 99) }
}

/// The value that so many of a hundred do not exceed.
pub fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * percent / 100).copied().unwrap_or_default()
}

async fn ask_again_and_again(address: SocketAddr, request: &str, end: Instant) -> io::Result<Vec<Duration>> {
    let mut connection = Connection::open(address).await?;
    let mut taken = Vec::new();
    while Instant::now() < end {
        let start = Instant::now();
        connection.ask(request, 200).await?;
        taken.push(start.elapsed());
    }
    Ok(taken)
}

/// Sends requests that were made before, each once, over so many connections.
///
/// # Panics
/// An answer has another status than `expected`, or a connection breaks.
pub async fn load_once(address: SocketAddr, requests: Vec<String>, connections: usize, expected: u16) -> Load {
    let start = Instant::now();
    let share = requests.len().div_ceil(connections);
    let shares: Vec<Vec<String>> = requests.chunks(share).map(<[String]>::to_vec).collect();
    let tasks: Vec<_> = shares
        .into_iter()
        .map(|requests| {
            tokio::spawn(async move {
                let mut connection = Connection::open(address).await?;
                let mut taken = Vec::with_capacity(requests.len());
                for request in &requests {
                    let start = Instant::now();
                    connection.ask(request, expected).await?;
                    taken.push(start.elapsed());
                }
                Ok::<_, io::Error>(taken)
            })
        })
        .collect();
    let mut taken = Vec::new();
    for task in tasks {
        taken.extend(task.await.unwrap().unwrap());
    }
    let seconds = start.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52 answers")]
    let rate = taken.len() as f64 / seconds;
    taken.sort_unstable();
    Load { rate, p50: percentile(&taken, 50), p99: percentile(&taken, 99) }
}

/// A connection that is kept.
struct Connection(BufReader<TcpStream>);

impl Connection {
    async fn open(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self(BufReader::new(socket)))
    }

    async fn ask(&mut self, request: &str, expected: u16) -> io::Result<()> {
        self.0.write_all(request.as_bytes()).await?;
        read_answer(&mut self.0, expected).await
    }
}

/// Reads one answer to its end, by its length or in chunks.
async fn read_answer(socket: &mut BufReader<TcpStream>, expected: u16) -> io::Result<()> {
    let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let (mut line, mut length, mut chunked) = (String::new(), None, false);
    socket.read_line(&mut line).await?;
    if !line.starts_with(&format!("HTTP/1.1 {expected}")) {
        return Err(wrong(format!("answered with {line}")));
    }
    loop {
        line.clear();
        socket.read_line(&mut line).await?;
        let header = line.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse::<usize>().ok();
        }
        chunked |= header.starts_with("transfer-encoding:") && header.contains("chunked");
    }
    match length {
        Some(length) => skip(socket, length).await,
        None if chunked => loop {
            line.clear();
            socket.read_line(&mut line).await?;
            let size = usize::from_str_radix(line.trim(), 16).map_err(|_| wrong(format!("chunk {line}")))?;
            skip(socket, size + 2).await?;
            if size == 0 {
                return Ok(());
            }
        },
        None => Err(wrong("an answer without length".to_owned())),
    }
}

async fn skip(socket: &mut BufReader<TcpStream>, length: usize) -> io::Result<()> {
    let mut rest = vec![0; length];
    socket.read_exact(&mut rest).await.map(|_| ())
}
