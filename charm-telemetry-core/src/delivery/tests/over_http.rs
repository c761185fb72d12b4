//! The real client before a real socket that misbehaves.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::bench::{TestDestination, item, join, lost};
use crate::delivery::tls;
use crate::delivery::transport::{HttpTransport, Transport, TransportError, WireRequest};
use crate::delivery::{
    Body, Delivery, DeliveryConfig, DeliveryHandle, Destination, EncodeError, Encoding, Item, Limits,
    MAX_RESPONSE_BYTES, Request, Response, Sending, SpoolConfig,
};
use crate::outcome::DropReason;
use crate::secret::Secret;
use crate::testing::{Answer, ReceiverDouble};

const PATIENCE: Duration = Duration::from_secs(20);

/// A destination at this address.
struct At {
    url: String,
    encoding: Encoding,
}

impl Destination for At {
    fn name(&self) -> &'static str {
        "double"
    }

    fn identity(&self) -> String {
        "over http".to_owned()
    }

    fn limits(&self) -> Limits {
        Limits { max_items: 10, linger: Duration::from_millis(20), ..Limits::default() }
    }

    fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> {
        Ok(Body::json(join(items)))
    }

    fn encoding(&self) -> Encoding {
        self.encoding
    }

    fn request(&self, sending: &Sending<'_>) -> Request {
        Request::post(&self.url)
            .secret_header("api-key", Secret::new("sesame-opens"))
            .header("batch-id", sending.batch_id)
    }
}

fn config() -> DeliveryConfig {
    DeliveryConfig {
        request_timeout: Duration::from_millis(400),
        first_backoff: Duration::from_millis(20),
        max_backoff: Duration::from_millis(100),
        tell: Some(std::sync::Arc::new(|_| {})),
        ..DeliveryConfig::default()
    }
}

fn start(receiver: &ReceiverDouble, config: DeliveryConfig) -> DeliveryHandle {
    Delivery::start(At { url: receiver.url("/intake"), encoding: Encoding::Gzip }, config).unwrap()
}

fn send(handle: &DeliveryHandle, numbers: std::ops::Range<u64>) {
    for number in numbers {
        handle.send(item(number));
    }
}

/// Sends five items against a receiver that first answers so, and expects all of them, within time.
#[track_caller]
fn check_recovers_from(first: Answer) {
    let receiver = ReceiverDouble::start();
    receiver.script([first]);
    let handle = start(&receiver, config());
    send(&handle, 0..5);
    assert!(handle.flush(PATIENCE));
    let outcomes = handle.shutdown(PATIENCE).outcomes;
    assert_eq!(outcomes.delivered, 5, "{outcomes:?}");
    let requests = receiver.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].header("batch-id"), requests[1].header("batch-id"), "the same batch");
    assert_eq!(requests[0].body, requests[1].body);
}

#[test]
fn requests_arrive_compressed_with_their_headers() {
    for (encoding, token) in
        [(Encoding::Gzip, Some("gzip")), (Encoding::Zstd, Some("zstd")), (Encoding::Identity, None)]
    {
        let receiver = ReceiverDouble::start();
        let handle = Delivery::start(At { url: receiver.url("/intake?a=1"), encoding }, config()).unwrap();
        send(&handle, 0..10);
        assert!(handle.flush(PATIENCE));
        let requests = receiver.requests();
        let request = &requests[0];
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/intake?a=1"));
        assert_eq!(request.header("content-encoding"), token);
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("api-key"), Some("sesame-opens"));
        assert!(request.header("user-agent").unwrap().starts_with("charm-telemetry/"));
        assert_eq!(request.json().as_array().unwrap().len(), 10);
        assert_eq!(request.body, join(&(0..10).map(item).collect::<Vec<_>>()));
        handle.shutdown(PATIENCE);
    }
}

#[test]
fn a_reset_after_the_body_is_a_retry_of_the_same_batch() {
    check_recovers_from(Answer::reset());
}

#[test]
fn a_receiver_that_says_nothing_is_cut_at_the_deadline() {
    check_recovers_from(Answer::silence());
}

#[test]
fn an_answer_of_one_byte_at_a_time_is_cut_at_the_deadline() {
    check_recovers_from(Answer::new(200).body(vec![b'x'; 1000]).slowly(Duration::from_millis(50)));
}

#[test]
fn a_late_answer_is_cut_at_the_deadline() {
    check_recovers_from(Answer::new(200).after(Duration::from_millis(700)));
}

#[test]
fn a_body_without_end_is_read_to_64_kib_and_the_status_counts() {
    let receiver = ReceiverDouble::start();
    receiver.script([Answer::endless(200)]);
    let handle = start(&receiver, config());
    send(&handle, 0..5);
    assert!(handle.flush(PATIENCE));
    assert_eq!(handle.report().outcomes.delivered, 5);
    assert_eq!(receiver.requests().len(), 1);
    let response = call(&receiver, &[Answer::endless(200)]).unwrap();
    assert_eq!((response.body.len(), response.truncated), (MAX_RESPONSE_BYTES, true));
}

#[test]
fn a_compressed_bomb_is_not_opened() {
    let receiver = ReceiverDouble::start();
    let bomb = vec![b'z'; 30_000];
    let answer = Answer::new(200).header("Content-Encoding", "gzip").body(bomb.clone());
    assert_eq!(call(&receiver, &[answer]).unwrap().body, bomb, "as it came over the wire");
}

#[test]
fn a_success_with_garbage_is_a_success() {
    let receiver = ReceiverDouble::start();
    receiver.answer_always(Answer::new(200).body([0xff, 0xfe, 0, 0x80]));
    let handle = start(&receiver, config());
    send(&handle, 0..5);
    assert!(handle.flush(PATIENCE));
    assert_eq!(handle.report().outcomes.delivered, 5);
}

#[test]
fn a_redirect_to_another_host_is_not_followed_and_a_loop_ends() {
    let (other, receiver) = (ReceiverDouble::start(), ReceiverDouble::start());
    let elsewhere = Answer::new(307).header("Location", other.url("/steal"));
    assert_eq!(call(&receiver, &[elsewhere]).unwrap().status, 307);
    assert!(other.requests().is_empty(), "the key stays here");
    let port = receiver.address().port();
    for location in [format!("http://localhost:{port}/"), format!("https://127.0.0.1:{port}/")] {
        let before = receiver.requests().len();
        let moved = Answer::new(307).header("Location", location.clone());
        assert_eq!(call(&receiver, &[moved]).unwrap().status, 307, "{location}");
        assert_eq!(receiver.requests().len() - before, 1, "another name and another scheme: {location}");
    }
    receiver.answer_always(Answer::new(307).header("Location", receiver.url("/loop")));
    let before = receiver.requests().len();
    assert_eq!(call(&receiver, &[]).unwrap().status, 307);
    assert!(receiver.requests().len() - before <= 5);
}

#[test]
fn a_redirect_is_followed_only_with_its_body() {
    let receiver = ReceiverDouble::start();
    for status in [301, 302, 303] {
        let moved = Answer::new(status).header("Location", receiver.url("/moved"));
        assert_eq!(call(&receiver, &[moved]).unwrap().status, status);
    }
    assert_eq!(receiver.requests().len(), 3, "nothing followed");
    for status in [307, 308] {
        let moved = Answer::new(status).header("Location", receiver.url("/moved"));
        assert_eq!(call(&receiver, &[moved, Answer::new(200)]).unwrap().status, 200);
    }
    let requests = receiver.requests();
    let [first, followed] = [&requests[3], &requests[4]];
    assert_eq!((&followed.path[..], &followed.body), ("/moved", &first.body));
}

#[test]
fn an_echoed_key_is_in_no_report_and_no_notice() {
    let receiver = ReceiverDouble::start();
    receiver.answer_always(Answer::new(403).body("bad key sesame-opens"));
    let notices = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let kept = notices.clone();
    let tell = std::sync::Arc::new(move |notice: &crate::delivery::DeliveryNotice| {
        kept.lock().unwrap().push(notice.to_string());
    });
    let handle = start(&receiver, DeliveryConfig { tell: Some(tell), ..config() });
    send(&handle, 0..5);
    receiver.wait_for_requests(1, PATIENCE);
    let report = handle.shutdown(Duration::from_millis(500)).to_string();
    let notices = notices.lock().unwrap().join("\n");
    assert!(notices.contains("403") && notices.contains("[secret]"), "{notices}");
    assert!(!notices.contains("sesame") && !report.contains("sesame"));
}

#[test]
fn a_dead_a_deaf_and_a_nameless_receiver_end_in_the_spool_and_leave_others_alone() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let urls = [
        format!("http://{closed}/"),
        format!("http://{}/", deaf.local_addr().unwrap()),
        "http://no-such-name.invalid/".to_owned(),
    ];
    let healthy = ReceiverDouble::start();
    for url in urls {
        let dir = tempfile::tempdir().unwrap();
        let spool = SpoolConfig::in_dir(dir.path());
        let handle = Delivery::start(
            At { url: url.clone(), encoding: Encoding::Gzip },
            DeliveryConfig { spool, ..config() },
        )
        .unwrap();
        send(&handle, 0..30);
        let other = start(&healthy, config());
        send(&other, 0..10);
        assert!(other.flush(PATIENCE));
        assert_eq!(other.shutdown(PATIENCE).outcomes.delivered, 10);
        let before = Instant::now();
        let report = handle.shutdown(Duration::from_secs(2));
        assert!(before.elapsed() < Duration::from_millis(2200), "{url}: {:?}", before.elapsed());
        assert_eq!(report.outcomes.spooled, 30, "{url}: {report}");
        let report = Delivery::drain(
            At { url: healthy.url("/"), encoding: Encoding::Gzip },
            DeliveryConfig { spool: SpoolConfig::in_dir(dir.path()), ..config() },
            PATIENCE,
        )
        .unwrap();
        assert_eq!((report.outcomes.adopted, report.outcomes.delivered), (30, 30), "{url}: {report}");
    }
}

#[test]
fn a_server_that_is_not_tls_or_is_not_trusted_is_no_receiver_and_nothing_goes_in_plain_text() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut first = [0; 512];
        let count = connection.read(&mut first).unwrap();
        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
        first[..count].to_vec()
    });
    let error = call_url(&format!("https://{address}/"));
    assert!(matches!(error, Err(TransportError::Connect(_) | TransportError::Broken(_))), "{error:?}");
    let first = server.join().unwrap();
    assert_eq!(first[0], 0x16, "a TLS handshake and nothing else");
    assert!(!String::from_utf8_lossy(&first).contains("sesame"));
}

#[test]
fn errors_name_no_url_and_no_header() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = call_url(&format!("http://{closed}/key-in-path?key=sesame-opens")).unwrap_err().to_string();
    assert!(!error.contains("sesame") && !error.contains("key-in-path"), "{error}");
}

#[test]
fn a_header_that_may_not_be_sent_is_an_error_without_its_value() {
    let request = Request::post("http://127.0.0.1:1/").secret_header("api-key", Secret::new("sesame\nopens"));
    let error = call_request(request).unwrap_err();
    assert!(matches!(error, TransportError::Invalid(_)));
    assert!(error.to_string().contains("`api-key`") && !error.to_string().contains("sesame"), "{error}");
}

#[test]
fn flush_and_shutdown_end_in_time_with_everything_delivered() {
    let receiver = ReceiverDouble::start();
    let handle = start(&receiver, config());
    send(&handle, 0..200);
    assert!(handle.flush(PATIENCE));
    send(&handle, 200..400);
    let report = handle.shutdown(PATIENCE);
    assert_eq!((report.outcomes.delivered, lost(&report.outcomes, DropReason::ShutdownDeadline)), (400, 0));
    assert!(!handle.send(item(400)));
    assert!(crate::delivery::reports().iter().any(|known| known.outcomes.delivered == 400));
}

#[test]
fn a_start_right_after_the_end_takes_over_what_was_left() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let config = || DeliveryConfig {
        first_backoff: Duration::from_millis(2),
        max_backoff: Duration::from_millis(2),
        spool: SpoolConfig::in_dir(dir.path()),
        ..config()
    };
    for round in 0..100 {
        let destination = At { url: format!("http://{closed}/"), encoding: Encoding::Gzip };
        let handle = Delivery::start(destination, config()).unwrap();
        send(&handle, round..round + 1);
        let outcomes = handle.shutdown(PATIENCE).outcomes;
        assert_eq!((outcomes.adopted, outcomes.spooled), (round, round + 1), "{outcomes:?}");
    }
}

#[test]
fn names_that_would_leave_the_spool_are_refused() {
    struct Named(TestDestination, &'static str);
    impl Destination for Named {
        fn name(&self) -> &str {
            self.1
        }
        fn identity(&self) -> String {
            String::new()
        }
        fn limits(&self) -> Limits {
            self.0.limits
        }
        fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> {
            self.0.assemble(items)
        }
        fn request(&self, sending: &Sending<'_>) -> Request {
            self.0.request(sending)
        }
    }
    for name in ["", "..", "a/b", "Data Dog", "ä"] {
        let inner = TestDestination { limits: Limits::default(), identity: String::new() };
        assert!(Delivery::start(Named(inner, name), config()).is_err(), "`{name}`");
    }
}

fn call(receiver: &ReceiverDouble, script: &[Answer]) -> Result<Response, TransportError> {
    receiver.script(script.iter().cloned());
    call_url(&receiver.url("/"))
}

fn call_url(url: &str) -> Result<Response, TransportError> {
    call_request(Request::post(url).secret_header("api-key", Secret::new("sesame-opens")))
}

fn call_request(request: Request) -> Result<Response, TransportError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // One of its own: its connections end with the runtime of this test.
    let config = tls::config(tls::trusted().unwrap(), None).unwrap();
    let transport = HttpTransport::with(config, tls::CERT_FILE).unwrap();
    let wire = WireRequest { request, body: b"[]".to_vec() };
    runtime.block_on(transport.send(wire, Duration::from_secs(5)))
}
