//! A request's body: its type is checked, its size and the time it takes are limited.

use std::time::Duration;

use bytes::Bytes;
use codepop_shared::Code;
use http::{HeaderMap, header};
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::problem::Problem;

/// Largest body: more than any form of the app, small enough that thousands fit into memory.
pub(crate) const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Largest body that is passed on as it came; what is signed as a whole is small.
const RAW_BYTES_MAX: usize = 64 * 1024;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads a whole JSON body; an empty one needs no type.
pub(crate) async fn read_json<B>(headers: &HeaderMap, body: B) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let bytes = read(body, BODY_BYTES_MAX).await?;
    if !bytes.is_empty() && !is_json(headers) {
        let detail = "The body must be JSON in UTF-8, with the header Content-Type: application/json.";
        return Err(Problem::new(Code::UnsupportedMediaType, detail));
    }
    Ok(bytes)
}

/// Reads a whole body of any type.
pub(crate) async fn read_raw<B>(body: B) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    read(body, RAW_BYTES_MAX).await
}

async fn read<B>(body: B, most: usize) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let too_large = || Problem::new(Code::TooLarge, format!("The body may have {most} bytes at most."));
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    if body.size_hint().lower() > most as u64 {
        return Err(too_large());
    }
    let collected = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, most).collect()).await;
    match collected.map_err(|_| Problem::body_too_slow())? {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Problem::new(Code::Malformed, "The body broke off.")),
    }
}

/// Whether the content type is `application/json` or `application/…+json`, in UTF-8.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let mut parts = value.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_json = essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    is_json
        && parts.filter_map(|part| part.split_once('=')).all(|(name, value)| {
            let charset = value.trim_matches('"').to_ascii_lowercase();
            !name.eq_ignore_ascii_case("charset") || matches!(charset.as_str(), "utf-8" | "utf8" | "us-ascii")
        })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn slow_bodies_end() {
        let endless = http_body_util::StreamBody::new(futures::stream::pending::<
            Result<http_body::Frame<Bytes>, std::io::Error>,
        >());
        let problem = read_json(&HeaderMap::new(), endless).await.unwrap_err();
        assert_eq!(problem.into_response("id").status(), 408);
    }

    #[test]
    fn json_types_are_known() {
        let sent = |text| HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(text))]);
        for good in ["application/json", "Application/JSON; charset=UTF-8", "application/problem+json;v=1"] {
            assert!(is_json(&sent(good)), "{good}");
        }
        for bad in ["text/plain", "application/json; charset=latin1", "", "text/json", "application/jsonp"] {
            assert!(!is_json(&sent(bad)), "{bad}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
