//! Requests as they come over the wire.
//!
//! Rule: what is recorded is what was sent; only the body is shown decompressed as well.

use std::io::{self, BufRead, Read};

/// The most that a request may have, compressed or not.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// A request that was received whole.
///
/// ```
/// # use std::io::Write as _;
/// # use std::net::TcpStream;
/// # use std::time::Duration;
/// # use charm_telemetry_core::testing::ReceiverDouble;
/// let receiver = ReceiverDouble::start();
/// # let mut client = TcpStream::connect(receiver.address())?;
/// client.write_all(b"POST /intake HTTP/1.1\r\nContent-Length: 7\r\n\r\n{\"a\":1}")?;
/// let request = &receiver.wait_for_requests(1, Duration::from_secs(5))[0];
/// assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/intake"));
/// assert_eq!(request.json()["a"], 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// `POST`
    pub method: String,
    /// The path with the query.
    pub path: String,
    /// The headers, as they came.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub raw_body: Vec<u8>,
    /// The body, decompressed by its `Content-Encoding`. Empty if that failed.
    pub body: Vec<u8>,
}

impl RecordedRequest {
    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = |(known, _): &&(String, String)| known.eq_ignore_ascii_case(name);
        self.headers.iter().find(named).map(|(_, value)| value.as_str())
    }

    /// The body as text, with a sign where it is not UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// It is not JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }
}

/// Reads one request; `None` at the end of the connection.
pub(super) fn read_request(reader: &mut impl BufRead) -> io::Result<Option<RecordedRequest>> {
    let line = read_line(reader)?;
    if line.is_empty() {
        return Ok(None);
    }
    let mut words = line.split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let path = words.next().unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    loop {
        let line = read_line(reader)?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    let (raw_body, body) = (Vec::new(), Vec::new());
    let mut request = RecordedRequest { method, path, headers, raw_body, body };
    request.raw_body = read_body(reader, &request)?;
    request.body = decompress(&request.raw_body, request.header("content-encoding")).unwrap_or_default();
    Ok(Some(request))
}

fn read_body(reader: &mut impl BufRead, request: &RecordedRequest) -> io::Result<Vec<u8>> {
    if request.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        return read_chunks(reader);
    }
    let length = request.header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    read_exactly(reader, length)
}

fn read_chunks(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(reader)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(io::Error::other)?;
        body.extend(read_exactly(reader, size)?);
        read_line(reader)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

fn read_exactly(reader: &mut impl BufRead, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(length.min(MOST_BYTES)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    const MOST: u64 = 64 * 1024;
    let mut line = String::new();
    reader.take(MOST).read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn decompress(bytes: &[u8], encoding: Option<&str>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    match encoding {
        Some("gzip") => flate2::read::MultiGzDecoder::new(bytes).take(MOST_BYTES).read_to_end(&mut body)?,
        Some("deflate") => flate2::read::ZlibDecoder::new(bytes).take(MOST_BYTES).read_to_end(&mut body)?,
        Some("zstd") => {
            let decoder = ruzstd::decoding::StreamingDecoder::new(bytes).map_err(io::Error::other)?;
            decoder.take(MOST_BYTES).read_to_end(&mut body)?
        }
        _ => return Ok(bytes.to_vec()),
    };
    Ok(body)
}
