//! What attackers send, and how long they are let.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split},
    time::timeout,
};

use super::{
    Door, Line,
    wire::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE, call_headers,
        frame, header, preface,
    },
};

/// Pause between the bytes of those who speak slowly.
const SLOWLY: Duration = Duration::from_millis(200);

/// Frames that are sent at a time.
const BURST: u32 = 64;

/// One way to make trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    /// Connects and says nothing.
    Silence,
    /// Begins a handshake (or a request line), byte by byte.
    SlowHello,
    /// Begins HTTP/2, byte by byte.
    SlowPreface,
    /// Begins a request's headers and does not end them.
    UnfinishedHeaders,
    /// Begins streams and resets them at once.
    RapidReset,
    /// Begins streams and leaves them open.
    Streams,
    /// Asks for signs of life all the time, and reads none.
    Pings,
    /// Sends settings all the time, and reads no acknowledgement.
    Settings,
    /// Sends frames without data on a stream.
    EmptyData,
    /// Opens windows bit by bit.
    Windows,
    /// Bytes that mean nothing.
    Garbage,
    /// Headers without end.
    HugeHeaders,
    /// A message without end.
    HugeMessage,
}

/// How an attack ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// Whether the connection was closed by the other end.
    pub closed: bool,
    /// Bytes that were taken.
    pub sent: usize,
    /// How long it lasted.
    pub after: Duration,
}

impl Attack {
    /// All that are over in a moment, one way or the other.
    pub const FLOODS: [Self; 9] = [
        Self::RapidReset,
        Self::Streams,
        Self::Pings,
        Self::Settings,
        Self::EmptyData,
        Self::Windows,
        Self::Garbage,
        Self::HugeHeaders,
        Self::HugeMessage,
    ];

    /// All that take their time.
    pub const SLOW: [Self; 4] = [Self::Silence, Self::SlowHello, Self::SlowPreface, Self::UnfinishedHeaders];

    /// Attacks through a door until the connection is closed or this time is over.
    pub async fn carry_out(self, door: &Door, longest: Duration) -> Ended {
        let line: Box<dyn Line> = match self {
            Self::Silence | Self::SlowHello => Box::new(door.knock().await.unwrap()),
            _ => door.open().await.unwrap(),
        };
        let begun = Instant::now();
        let (mut hears, mut says) = split(line);
        let mut sent = 0;
        let closed = timeout(longest, async {
            tokio::join!(self.speak(&mut says, &mut sent), self.listen(&mut hears));
        })
        .await
        .is_ok();
        Ended { closed, sent, after: begun.elapsed() }
    }

    /// Reads until the other end closes; those who never read notice it when they can't write.
    async fn listen(self, hears: &mut ReadHalf<Box<dyn Line>>) {
        if matches!(self, Self::Pings | Self::Settings) {
            return;
        }
        let mut buffer = vec![0; 16 * 1_024];
        while matches!(hears.read(&mut buffer).await, Ok(read) if read > 0) {}
    }

    /// Speaks until the other end does not listen any more.
    async fn speak(self, says: &mut WriteHalf<Box<dyn Line>>, sent: &mut usize) {
        let mut round = 0;
        while let Some(bytes) = self.bytes(round) {
            let (pieces, pause) = match self {
                Self::SlowHello | Self::SlowPreface => (1, SLOWLY),
                _ => (bytes.len().max(1), Duration::ZERO),
            };
            for piece in bytes.chunks(pieces) {
                if says.write_all(piece).await.is_err() || says.flush().await.is_err() {
                    return;
                }
                *sent += piece.len();
                tokio::time::sleep(pause).await;
            }
            round += 1;
        }
    }

    /// What is sent in a round; nothing more when there is none.
    fn bytes(self, round: u32) -> Option<Vec<u8>> {
        let burst = |frame: &dyn Fn(u32) -> Vec<u8>| {
            let first = if round == 0 { preface() } else { Vec::new() };
            // Streams of clients have odd numbers.
            let numbers = (0..BURST).map(|number| 2 * (round * BURST + number) + 1);
            Some(numbers.fold(first, |mut bytes, number| {
                bytes.extend(frame(number));
                bytes
            }))
        };
        let once = |bytes: Vec<u8>| (round == 0).then_some(bytes);
        let begun = |mut bytes: Vec<u8>, flags: u8| {
            bytes.extend(frame(HEADERS, flags, 1, &call_headers()));
            bytes
        };
        match self {
            Self::Silence => None,
            // A handshake that announces 512 bytes; as a request it is as slow.
            Self::SlowHello => once([&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3][..], &[b'x'; 500]].concat()),
            Self::SlowPreface => once([preface(), vec![0; 500]].concat()),
            Self::UnfinishedHeaders => once(begun(preface(), 0)),
            Self::RapidReset => burst(&|stream| {
                let headers = frame(HEADERS, END_HEADERS | END_STREAM, stream, &call_headers());
                [headers, frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
            }),
            Self::Streams => burst(&|stream| frame(HEADERS, END_HEADERS, stream, &call_headers())),
            Self::Pings => burst(&|number| frame(PING, 0, 0, &u64::from(number).to_be_bytes())),
            Self::Settings => burst(&|_| frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])),
            Self::EmptyData if round == 0 => Some(begun(preface(), END_HEADERS)),
            Self::EmptyData => burst(&|_| frame(DATA, 0, 1, &[])),
            Self::Windows => burst(&|_| frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes())),
            Self::Garbage => burst(&|number| vec![u8::try_from(number % 251).unwrap(); 1_024]),
            Self::HugeHeaders if round == 0 => Some(begun(preface(), 0)),
            Self::HugeHeaders => burst(&|number| {
                let mut block = Vec::new();
                header(&mut block, &format!("x-{number}"), &"x".repeat(8 * 1_024));
                frame(CONTINUATION, 0, 1, &block)
            }),
            // A message of 4 GiB is announced, and sent as far as the window lets it.
            Self::HugeMessage if round == 0 => {
                let mut bytes = begun(preface(), END_HEADERS);
                bytes.extend(frame(DATA, 0, 1, &[0, 255, 255, 255, 255]));
                Some(bytes)
            }
            Self::HugeMessage => (round < 64).then(|| frame(DATA, 0, 1, &vec![0; 16 * 1_024])),
        }
    }
}
