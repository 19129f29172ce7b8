//! Any RPC by its path, with messages as bytes: for tests that hold every RPC of the contract to something.

use bytes::{Buf, BufMut};
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::Channel,
};

/// Messages as they are on the wire.
#[derive(Clone, Copy, Debug, Default)]
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut message = vec![0; from.remaining()];
        from.copy_to_slice(&mut message);
        Ok(Some(message))
    }
}

/// Calls an RPC of any kind with one message and says how it was answered. Of a stream, its beginning counts.
///
/// # Panics
/// The connection is not ready, or the path or the token is none.
pub async fn call(channel: Channel, path: &str, token: Option<&str>, message: Vec<u8>) -> Status {
    let mut request = Request::new(tokio_stream::once(message));
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    let mut client = Grpc::new(channel);
    client.ready().await.unwrap();
    match client.streaming(request, path.parse().unwrap(), Bytes).await {
        Ok(_) => Status::new(Code::Ok, ""),
        Err(status) => status,
    }
}
